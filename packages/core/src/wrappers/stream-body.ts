import { isStream } from '../call/reply.js';

/** Whether a call's body is something that can be read once: not to be sent by two attempts. */
export function sendsStream(body: unknown): boolean {
  return typeof body === 'object' && body !== null && (isStream(body) || body instanceof ReadableStream || Symbol.asyncIterator in body);
}
