import type { ServerResponse } from 'node:http';
import type { BodyStream } from '../call/reply.js';
import { cutShort, moved } from './tracking.js';

/**
 * Sends a stream as the body of a response whose head is written, no faster than the client takes it.
 * `report` hears of what went wrong here. An error of the stream, its early close, a chunk that is no text or bytes, or a length other than the declared one cuts the
 * connection, which is how the client learns that the body is not complete; a client that leaves destroys the stream.
 */
export function sendStream(source: BodyStream, res: ServerResponse, declared: number | undefined, report: (error: unknown) => void): void {
  let sent = 0;
  const release = (): void => {
    source.off('data', onData).off('end', onEnd).off('error', onLost).off('close', onLost);
    res.off('drain', onDrain).off('close', onGone).off('error', onGone);
    source.on('error', ignore);
    res.on('error', ignore);
  };
  const fail = (error: unknown): void => {
    release();
    source.destroy();
    cutShort(res);
    report(error);
  };
  const onLost = (error?: unknown): void => fail(error ?? new Error("A reply's stream was closed before its end"));
  const onData = (chunk: string | Uint8Array): void => {
    const size = typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk?.byteLength;
    if (size === undefined) return fail(new TypeError(`A reply's stream gave ${typeof chunk}, not text or bytes`));
    if (declared !== undefined && sent + size > declared)
      return fail(new RangeError(`A reply's stream is longer than its content-length of ${declared}`));
    sent += size;
    moved(res, size);
    if (!res.write(chunk)) source.pause();
  };
  const onDrain = (): void => void source.resume();
  const onEnd = (): void => {
    if (declared !== undefined && sent !== declared)
      return fail(new RangeError(`A reply's stream has ${sent} bytes, its content-length says ${declared}`));
    release();
    res.end();
  };
  const onGone = (): void => {
    release();
    source.destroy();
  };
  if (source.destroyed) return onLost((source as { errored?: unknown }).errored ?? undefined);
  res.on('drain', onDrain).on('close', onGone).on('error', onGone);
  source.on('error', onLost).on('close', onLost).on('end', onEnd).on('data', onData);
  if (declared === undefined) res.flushHeaders();
  source.resume();
}

function ignore(): void {}
