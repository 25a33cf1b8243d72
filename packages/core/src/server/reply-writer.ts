import type { ServerResponse } from 'node:http';
import { isStream } from '../call/reply.js';
import type { Reply } from '../call/reply.js';
import { problemReply } from '../errors/problem.js';
import { RenderedReply, render } from './render.js';
import type { Head } from './render.js';
import { sendStream } from './send-stream.js';
import { answered, cutShort } from './tracking.js';

/**
 * Writes a reply through `res`, for every framework that has nothing better; what patched `res` (compression, sessions) takes part.
 * `method` is the request's: HEAD gets the headers without the body. Never throws: a reply that cannot be sent becomes a 500 problem,
 * one that comes after the headers cuts the connection, and one for a client that has left is dropped with its stream. `report` hears of a stream that fails after the headers.
 */
export function writeReply(res: ServerResponse, reply: Reply, method: string, report: (error: unknown) => void = ignore): void {
  if (reply.sent) return;
  const { head, payload, status } = rendered(reply);
  if (res.headersSent || res.destroyed) {
    if (isStream(payload)) payload.destroy();
    if (!res.writableEnded && !res.destroyed) cutShort(res);
    return;
  }
  if (reply.error !== undefined) forgetOtherBody(res);
  mergeWithPresent(res, head);
  res.writeHead(status, head);
  if (payload === undefined || method === 'HEAD') {
    answered(res, status, 0);
    if (isStream(payload)) payload.destroy();
    res.end();
  } else if (isStream(payload)) {
    answered(res, status, 0);
    sendStream(payload, res, head['content-length'] as number | undefined, report);
  } else {
    answered(res, status, head['content-length'] as number);
    res.end(payload);
  }
}

/** The reply in a form that can be sent; when it has none, a 500 problem about that. */
export function rendered(reply: Reply): RenderedReply {
  if (reply instanceof RenderedReply) return reply;
  try {
    return render(reply) as RenderedReply;
  } catch (error) {
    if (isStream(reply.body)) reply.body.destroy();
    return render(problemReply(error)) as RenderedReply;
  }
}

/** `writeHead` replaces a field that middleware has set before; cookies and Vary are lists that both sides add to. */
function mergeWithPresent(res: ServerResponse, head: Head): void {
  for (const name of LISTS) {
    const own = head[name];
    if (own === undefined) continue;
    const present = res.getHeader(name);
    if (present === undefined) continue;
    head[name] = [...(Array.isArray(present) ? present : [String(present)]), ...(Array.isArray(own) ? own : [String(own)])];
  }
}

function ignore(): void {}

const OF_ANOTHER_BODY: readonly string[] = ['content-type', 'content-length', 'content-encoding', 'etag', 'last-modified', 'expires'];

/**
 * What middleware had set for the reply that it meant to give is not for that of an error: `content-encoding` would make its body unreadable, and
 * with `max-age` a cache would answer with the error for hours. A `cache-control` that forbids to store stays.
 */
export function forgetOtherBody(res: ServerResponse): void {
  // Taking away what is not there costs four times what asking for it does.
  for (const name of OF_ANOTHER_BODY) if (res.hasHeader(name)) res.removeHeader(name);
  const kept = res.getHeader('cache-control');
  if (kept !== undefined && !/no-store|no-cache/i.test(String(kept))) res.removeHeader('cache-control');
}

const LISTS = ['set-cookie', 'vary', 'link'] as const;
