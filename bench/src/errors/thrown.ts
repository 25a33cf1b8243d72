/** A plain Error, of which nobody is told anything (500), and one that its author made an answer, as http-errors does (404). */
export type Thrown = 'error' | 'http-error';

/** Made anew for each request, as code that fails does. */
export function thrown(kind: Thrown): Error {
  return kind === 'error'
    ? new Error('The database said no')
    : Object.assign(new Error('No such user'), { status: 404, statusCode: 404, expose: true });
}
