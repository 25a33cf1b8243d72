import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Call } from '../call/call.js';
import { REASONS, ServiceError } from '../errors/service-error.js';

const TRACKED = Symbol('ferrule.tracked');
const QUEUED = Symbol('ferrule.queued');

/** How a response goes on. It hangs on the response with one listener for all who want to know, which a request pays for once. */
interface Tracked {
  call: Call | undefined;
  /** Calls that had the response before: a handler that declined, and whoever took the request then. */
  earlier: Call[] | undefined;
  /** Handlers that answer by themselves. */
  natives: (() => void)[] | undefined;
  listener: CloseListener | undefined;
  /** Of the body, as far as it was written. */
  bytes: number;
  failed: boolean;
  /** The body is written past us: a finished response is taken to have moved what it declared. */
  uncounted: boolean;
  /** It has closed, or its connection has before its turn came. */
  over: boolean;
}

type CloseListener = (this: ServerResponse) => void;
type TrackedResponse = ServerResponse & { [TRACKED]?: Tracked };
type SocketWithQueue = Socket & { [QUEUED]?: Set<TrackedResponse> };

/**
 * Ends the call's life with its response: `done` when the last byte was handed over, `failed` when an error cut it,
 * `aborted` when the client went away before, and then the call is aborted first.
 * The client may have left already, while middleware of the app was waited for: then both happen now.
 */
export function track(res: ServerResponse, call: Call): void {
  const tracked = trackedOf(res);
  if (tracked.call !== undefined) (tracked.earlier ??= []).push(tracked.call);
  tracked.call = call;
  if (tracked.over) endCall(call, res, tracked);
}

/** Calls `listener` with the response as `this` when it has closed, after the life of its call. */
export function whenClosed(res: ServerResponse, listener: CloseListener): void {
  const tracked = trackedOf(res);
  if (tracked.over) listener.call(res);
  else if (tracked.listener === undefined) tracked.listener = listener;
  else res.on('close', listener);
}

/** Calls `listener` when the response has closed, as a part of the life of its call: before those of `whenClosed`. */
export function whenOver(res: ServerResponse, listener: () => void): void {
  const tracked = trackedOf(res);
  if (tracked.over) listener();
  else (tracked.natives ??= []).push(listener);
}

function trackedOf(res: TrackedResponse): Tracked {
  const present = res[TRACKED];
  if (present !== undefined) return present;
  res.on('close', closed);
  const over = res.closed;
  if (res.socket === null && !over) queueBehind(res.req.socket, res);
  return (res[TRACKED] = {
    call: undefined,
    earlier: undefined,
    natives: undefined,
    listener: undefined,
    bytes: 0,
    failed: false,
    uncounted: false,
    over,
  });
}

/** The call that a response answers: the last one, when several handlers took the same request. */
export function callOf(res: ServerResponse): Call | undefined {
  return (res as TrackedResponse)[TRACKED]?.call;
}

/** Tells the call that status and headers are on their way, and how much of the body. */
export function answered(res: ServerResponse, status: number, bytes: number): void {
  const tracked = (res as TrackedResponse)[TRACKED];
  if (tracked === undefined) return;
  tracked.bytes += bytes;
  tracked.call?.answered(status);
}

/** As `answered`, for a handler that writes its body without telling us. */
export function answeredByItself(res: ServerResponse, status: number): void {
  const tracked = (res as TrackedResponse)[TRACKED];
  if (tracked === undefined) return;
  tracked.uncounted = true;
  tracked.call?.answered(status);
}

export function moved(res: ServerResponse, bytes: number): void {
  const tracked = (res as TrackedResponse)[TRACKED];
  if (tracked !== undefined) tracked.bytes += bytes;
}

/** An error is about to cut the response short: should it close now, it has failed and was not left by the client. */
export function failing(res: ServerResponse): void {
  const tracked = (res as TrackedResponse)[TRACKED];
  if (tracked !== undefined) tracked.failed = true;
}

/** Cuts the response short because of an error: the client learns by the broken connection that it is not whole. */
export function cutShort(res: ServerResponse): void {
  failing(res);
  res.destroy();
}

/**
 * A response to a pipelined request gets the connection when those before it have ended. Should the connection close first,
 * Node 20 never closes the response (24 does), and what waits for its end would wait for ever.
 */
function queueBehind(socket: SocketWithQueue, res: TrackedResponse): void {
  let queued = socket[QUEUED];
  if (queued === undefined) {
    const all = (queued = socket[QUEUED] = new Set());
    socket.once('close', () => {
      for (const waiting of all) closed.call(waiting);
    });
  }
  queued.add(res);
}

function closed(this: TrackedResponse): void {
  const tracked = this[TRACKED]!;
  if (tracked.over) return;
  tracked.over = true;
  (this.req.socket as SocketWithQueue | undefined)?.[QUEUED]?.delete(this); // a request that was injected may have none
  const { call, earlier, natives, listener } = tracked;
  if (call !== undefined) endCall(call, this, tracked);
  if (earlier !== undefined) for (const one of earlier) endCall(one, this, tracked);
  if (natives !== undefined) for (const over of natives) over();
  if (listener !== undefined) listener.call(this);
}

function endCall(call: Call, res: ServerResponse, { bytes, failed, uncounted }: Tracked): void {
  if (res.writableFinished) return call.end({ kind: 'done', bytes: uncounted && bytes === 0 ? declaredBytes(res) : bytes });
  const what = failed ? 'The response was cut short by an error' : 'The client went away before the response ended';
  call.abort(new ServiceError('CANCELLED', what, { reason: REASONS.disconnected }));
  call.end({ kind: failed ? 'failed' : 'aborted', bytes });
}

/** What is known of a body without looking at every write; one in chunks counts as none. */
function declaredBytes(res: ServerResponse): number {
  if (res.req.method === 'HEAD' || res.statusCode === 204 || res.statusCode === 304) return 0;
  const length = Number(res.getHeader('content-length') ?? 0);
  return Number.isFinite(length) ? length : 0;
}
