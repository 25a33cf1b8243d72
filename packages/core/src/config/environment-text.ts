/**
 * A text that came from the environment, in the place of a value: whatever stands there decides what it means (a number, a flag, a list), and
 * messages name the variable. One that a file took in with `${NAME}` is never shown.
 */
export class EnvironmentText {
  readonly variable: string;
  readonly isSecret: boolean;
  readonly #text: string;

  constructor(text: string, variable: string, isSecret: boolean) {
    this.#text = text;
    this.variable = variable;
    this.isSecret = isSecret;
  }

  get text(): string {
    return this.#text;
  }
}

/** What a text of the environment says where nothing else says what belongs there: plain numbers, true and false are such; the rest is text. */
export function plainValue(text: string): unknown {
  if (text === 'true') return true;
  if (text === 'false') return false;
  return /^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/.test(text) ? Number(text) : text;
}

/** What JSON in a variable says: where an object or a list belongs, a text can be nothing else. */
export function parsedText(value: EnvironmentText): unknown {
  if (!/^\s*[[{]/.test(value.text)) return undefined;
  try {
    return withVariable(JSON.parse(value.text), value);
  } catch {
    return undefined;
  }
}

/** Its texts are still those of the variable, and shown no more than it is. */
function withVariable(value: unknown, from: EnvironmentText): unknown {
  if (typeof value === 'string') return new EnvironmentText(value, from.variable, from.isSecret);
  if (Array.isArray(value)) return value.map((one) => withVariable(one, from));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withVariable(one, from)]));
}
