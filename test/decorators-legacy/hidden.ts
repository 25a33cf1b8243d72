/** Imported as a type, where a class was meant. */
export class Hidden {
  readonly hidden = true;
}
