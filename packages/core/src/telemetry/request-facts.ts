import type { IncomingMessage } from 'node:http';

/** What a span of an inbound call says beside the Call. Asked for only when a span is recorded. */
export interface RequestFacts {
  /** The path as it was sent, without the query. */
  readonly path?: string;
  /** The query as it was sent, without the question mark. */
  readonly query?: string;
  readonly scheme?: 'http' | 'https';
  /** For example `1.1`. */
  readonly protocolVersion?: string;
  readonly peerAddress?: string;
  readonly peerPort?: number;
}

/** The facts of a native request. Proxies' `Forwarded` fields are not believed. */
export function requestFacts(req: IncomingMessage): RequestFacts {
  // Express takes mount paths off `url` and keeps what was sent in `originalUrl`.
  const url = (req as { originalUrl?: string }).originalUrl ?? req.url ?? '/';
  const at = url.indexOf('?');
  const { remoteAddress, remotePort } = req.socket;
  return {
    path: at < 0 ? url : url.slice(0, at),
    ...(at >= 0 && at < url.length - 1 && { query: url.slice(at + 1) }),
    scheme: (req.socket as { encrypted?: boolean }).encrypted === true ? 'https' : 'http',
    protocolVersion: req.httpVersion,
    ...(remoteAddress !== undefined && { peerAddress: remoteAddress }),
    ...(remotePort !== undefined && { peerPort: remotePort }),
  };
}

/** Host and port of a `Host` field or an authority; an IPv6 address loses its brackets. */
export function splitHost(authority: string): { readonly host: string; readonly port: number | undefined } {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(authority);
  if (match === null) return { host: authority, port: undefined };
  return { host: match[1] ?? match[2]!, port: match[3] === undefined ? undefined : Number(match[3]) };
}
