/** The options of what is named by its type. */
export function withoutType<T extends { readonly type: string }>({ type: _type, ...options }: T): Omit<T, 'type'> {
  return options;
}
