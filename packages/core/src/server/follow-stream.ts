import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { BodyStream } from '../call/reply.js';
import { failing, moved } from './tracking.js';

/**
 * For an adapter that lets its framework send a stream: counts what it gives, and notes when it fails, so that the call's life ends with
 * the truth. Before the framework listens to it; the stream stays paused until then. `report` hears of an error that cut the reply,
 * but not of the one with which a framework destroys the stream of a client that has left.
 */
export function followStream(stream: BodyStream, res: ServerResponse, report: (error: unknown) => void): void {
  stream
    .on('data', (chunk: string | Uint8Array) => moved(res, typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength))
    .on('error', (error: unknown) => {
      if (!res.destroyed) report(error);
      failing(res);
    })
    .on('close', () => (stream as Partial<Readable>).readableEnded !== true && failing(res));
  stream.pause();
}
