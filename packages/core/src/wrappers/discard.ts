import { Reply, isStream } from '../call/reply.js';

/**
 * Nobody waits for it any more: what it holds open is closed, a Node stream, a web stream (a fetch Response's too) or a generator.
 * How that goes interests nobody either.
 */
export function discard(result: unknown): void {
  const body: unknown = result instanceof Reply || result instanceof Response ? result.body : result;
  if (isStream(body)) return void body.destroy();
  if (typeof body !== 'object' || body === null) return;
  const { cancel, [Symbol.asyncIterator]: iterate, return: close } = body as LateBody;
  // `return` is asked for only of what is an iterator itself: making one of an iterable would begin its work.
  const end = body instanceof ReadableStream ? cancel : typeof iterate === 'function' ? close : undefined;
  if (typeof end !== 'function') return;
  try {
    Promise.resolve(Reflect.apply(end, body, [])).catch(nothing); // a locked web stream rejects: its reader has it
  } catch {
    // See above.
  }
}

interface LateBody {
  readonly cancel?: unknown;
  readonly return?: unknown;
  readonly [Symbol.asyncIterator]?: unknown;
}

function nothing(): void {}
