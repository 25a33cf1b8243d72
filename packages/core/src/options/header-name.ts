/** Whether it can name a header of HTTP: a token (RFC 9110, 5.6.2). */
export function isHeaderName(name: unknown): name is string {
  return typeof name === 'string' && TOKEN.test(name);
}

const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
