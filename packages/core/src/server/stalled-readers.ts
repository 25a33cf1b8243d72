import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How far the sending of a connection has come, when it was first seen there. */
interface Mark {
  readonly sent: number;
  readonly waiting: number;
  readonly since: number;
}

/**
 * Finds the clients that take nothing of what waits for them. Nothing of Node's bounds them: its timeouts end with the request, and one of
 * ours with the headers, so that such a client would hold its reply, and every permit with it, for as long as it likes.
 * Whoever takes a byte now and then is slow, not stalled, and a stream that has nothing to send waits for nobody.
 */
export class StalledReaders {
  readonly #limitMs: number;
  #marks = new Map<Socket, Mark>();

  /** @param limitMs how long a client may take nothing before it counts as stalled */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** The connections among those of `open` that have not moved for the limit, as far as one can see from look to look. */
  look(open: Iterable<ServerResponse>, now: number): Socket[] {
    const marks = new Map<Socket, Mark>();
    const stalled: Socket[] = [];
    for (const res of open) {
      const { socket } = res; // none while it is queued behind another
      if (socket === null) continue;
      const waiting = waitingBytes(socket);
      if (waiting === 0) continue;
      const sent = socket.bytesWritten;
      const before = this.#marks.get(socket);
      const mark = before !== undefined && before.sent === sent && before.waiting === waiting ? before : { sent, waiting, since: now };
      if (now - mark.since >= this.#limitMs) stalled.push(socket);
      else marks.set(socket, mark);
    }
    this.#marks = marks;
    return stalled;
  }
}

/**
 * The bytes that the system has not taken yet. `writableLength` moves only when a whole write is through, which for one of many megabytes
 * can take a slow client minutes; libuv's queue moves with every packet. It is what Node's own socket timeout looks at.
 */
function waitingBytes(socket: Socket): number {
  const handle = (socket as Socket & { readonly _handle?: { readonly writeQueueSize?: unknown } | null })._handle;
  const queued = handle?.writeQueueSize;
  return socket.writableLength === 0 ? 0 : typeof queued === 'number' && queued > 0 ? queued : socket.writableLength;
}
