const TOKEN = /^[\w.:-]{1,64}$/;

/** What may be told of an error: its code, else its name. Its message may hold addresses and credentials. Never throws. */
export function errorCode(error: unknown): string {
  try {
    const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
    if (typeof code === 'string' && TOKEN.test(code)) return code;
    return typeof name === 'string' && TOKEN.test(name) ? name : 'Error';
  } catch {
    return 'Error';
  }
}
