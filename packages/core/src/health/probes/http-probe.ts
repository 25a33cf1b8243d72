import { Buffer } from 'node:buffer';
import { Agent, request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent as SecureAgent, request as httpsRequest } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import { checkFunction, checkOptions, checkRecord, namesOf } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import { toMs } from '../../time/duration.js';
import type { Duration } from '../../time/duration.js';
import type { Instance } from '../../registry/registry.js';
import { thrownName } from '../reason.js';
import type { Probe, ProbeResult } from './probe.js';
import { checkProbePort, withinLatency } from './tcp-probe.js';

export interface HttpProbeOptions {
  /** Default `GET`. */
  readonly method?: 'GET' | 'HEAD';
  /** The statuses that say healthy: one, several, or a function. Default 200 to 299; redirects are not followed. */
  readonly status?: number | readonly number[] | ((status: number) => boolean);
  /** A reply that takes longer, from the start to its end, is unhealthy. Default: only the check's timeout limits it. */
  readonly maxLatency?: Duration;
  /** What has to be true of the body, given as text. Not for `HEAD`. A body above 64 KB is unhealthy then. Default: bodies are not looked at. */
  readonly body?: (text: string) => boolean;
  /** Sent with every probe. Default: an `accept` of anything and a user agent. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: the instance's own. */
  readonly port?: number;
  /** Of https instances: a CA of yours, a client certificate, the name to verify. */
  readonly tls?: Pick<SecureContextOptions, 'ca' | 'cert' | 'key'> & { readonly servername?: string };
}

const OPTIONS = namesOf<HttpProbeOptions>({
  method: true,
  status: true,
  maxLatency: true,
  body: true,
  headers: true,
  port: true,
  tls: true,
});
const TLS_OPTIONS = ['ca', 'cert', 'key', 'servername'];
const LONGEST_BODY = 65_536;

/**
 * Asks a health route, over a connection of its own for every probe, so that accepting connections is part of the question and none stays open.
 * Reasons: `status 503`, `slow`, `body`, or an error's code such as `ECONNREFUSED`.
 * @throws TypeError for a path that does not start with a slash and an option that does not fit.
 */
export function httpProbe(path: string, options: HttpProbeOptions = {}): Probe {
  if (typeof path !== 'string' || !/^\/[\x21-\x7e]*$/.test(path))
    throw new TypeError(`httpProbe: ${shown(path)} is no path. Give one such as '/health/ready', percent-encoded where it has to be.`);
  checkOptions('httpProbe', options, OPTIONS);
  const { method = 'GET', body, headers = {}, port, tls = {} } = options;
  if (method !== 'GET' && method !== 'HEAD') throw new TypeError(`httpProbe method: ${shown(method)} does not fit. Give 'GET' or 'HEAD'.`);
  checkFunction(body, 'httpProbe body');
  if (method === 'HEAD' && body !== undefined) throw new TypeError("httpProbe body: a reply to HEAD has none. Leave one out, or use method: 'GET'.");
  checkRecord(headers, 'httpProbe headers');
  checkProbePort(port, 'httpProbe port');
  checkOptions('httpProbe tls', tls, TLS_OPTIONS);
  const isExpected = statusTest(options.status);
  const maxLatencyMs = options.maxLatency === undefined ? Infinity : toMs(options.maxLatency, 'httpProbe maxLatency');
  const agent = new Agent({ keepAlive: false });
  const secureAgent = new SecureAgent({ keepAlive: false, maxCachedSessions: 0 });

  const open = (instance: Instance): ClientRequest => {
    const { serverName, scheme } = instance;
    const to = port ?? instance.port;
    const host = serverName === undefined ? {} : { host: to === (scheme === 'https' ? 443 : 80) ? serverName : `${serverName}:${to}` };
    const common = { host: instance.host, port: to, path, method, headers: { accept: '*/*', 'user-agent': 'ferrule-probe', ...host, ...headers } };
    if (scheme !== 'https') return httpRequest({ ...common, agent });
    return httpsRequest({ ...common, ...(serverName !== undefined && { servername: serverName }), ...tls, agent: secureAgent });
  };

  return (instance, { signal }) =>
    new Promise<ProbeResult>((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const startedAt = performance.now();
      let request: ClientRequest | undefined = undefined;
      const settle = (result: ProbeResult): void => {
        signal.removeEventListener('abort', aborted);
        request?.destroy();
        resolve(result);
      };
      const aborted = (): void => settle({ healthy: false, reason: 'aborted' });
      const judge = (status: number, text: string | undefined): ProbeResult => {
        if (!isExpected(status)) return { healthy: false, reason: `status ${status}` };
        if (body !== undefined && (text === undefined || !body(text))) return { healthy: false, reason: 'body' };
        return withinLatency(performance.now() - startedAt, maxLatencyMs);
      };
      signal.addEventListener('abort', aborted, { once: true });
      request = open(instance);
      // It stays for good: a request that was destroyed may still tell of it.
      request.on('error', (error) => settle({ healthy: false, reason: thrownName(error) }));
      request.once('socket', (socket) => socket.unref());
      // Without a reply nor an error, as after an upgrade that nobody asked for.
      const closed = (): void => settle({ healthy: false, reason: 'closed' });
      request.once('close', closed);
      request.once('response', (response) => {
        request?.off('close', closed);
        readBody(response).then(
          (text) => settle(judged(() => judge(response.statusCode ?? 0, text))),
          (error: unknown) => settle({ healthy: false, reason: thrownName(error) }),
        );
      });
      request.end();
    });
}

/** A function of the application's may throw. */
function judged(judge: () => ProbeResult): ProbeResult {
  try {
    return judge();
  } catch (error) {
    return { healthy: false, reason: thrownName(error) };
  }
}

/** The whole of a body; undefined for one that is too long, of which no more is read. Rejects when it breaks off. */
function readBody(response: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > LONGEST_BODY) resolve(undefined);
      else chunks.push(chunk);
    });
    response.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    response.once('error', reject);
  });
}

function statusTest(expected: HttpProbeOptions['status']): (status: number) => boolean {
  if (expected === undefined) return (status) => status >= 200 && status < 300;
  if (typeof expected === 'function') return expected;
  const list: readonly unknown[] = Array.isArray(expected) ? expected : [expected];
  if (list.length === 0 || !list.every((status) => Number.isInteger(status) && (status as number) >= 200 && (status as number) <= 599))
    throw new TypeError(`httpProbe status: ${shown(expected)} does not fit. Give a status from 200 to 599, an array of some, or a function.`);
  return (status) => list.includes(status);
}
