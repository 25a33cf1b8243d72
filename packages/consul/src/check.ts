import { checkOptions, toMs } from '@ferrule/core/adapter';
import type { Duration } from '@ferrule/core/adapter';
import { wrong } from './environment.js';

/** How Consul learns how an instance is, in full; the words alone are each with its defaults. */
export type ConsulCheck = HttpCheck | TtlCheck | TcpCheck | GrpcCheck;

interface CommonCheck {
  /** Consul forgets an instance that was critical for so long, at least 1 min: it looks every half minute and would raise less. `false`: never. Default 1 min. */
  readonly deregisterCriticalAfter?: Duration | false;
}

interface AskingCheck extends CommonCheck {
  /** Between two questions, at least 1 s. Default 10 s. */
  readonly interval?: Duration;
  /** How long Consul waits for an answer. Default 1 s. */
  readonly timeout?: Duration;
  /** Answers in a row until a critical one passes again. Default 1. Consul's counters start full: the first answer counts at once. */
  readonly successBeforePassing?: number;
  /** The same until a passing one is critical, after the first failure: 2 takes three. Default 0. */
  readonly failuresBeforeCritical?: number;
}

/** Consul asks a URL: 2xx is passing, 429 a warning, all else critical. */
export interface HttpCheck extends AskingCheck {
  readonly kind: 'http';
  /** Default: the readiness route of the service; where the registrant names none, heartbeats take the place of the check. */
  readonly url?: string;
  /** Of the instance's own address, instead of `url`: `'/healthz'`. */
  readonly path?: string;
  /** Default GET. */
  readonly method?: string;
  /** Whoever may read the agent's checks reads them too: no place for a secret of weight. Never logged here. */
  readonly headers?: Readonly<Record<string, string>>;
  /** For https without a certificate that Consul knows. Default false. */
  readonly tlsSkipVerify?: boolean;
  /** Whether to ask with `warn=429`, by which our health routes tell a warning. Default true, but not with `url`, nor for Kratos, whose clients leave out what warns. */
  readonly warn?: boolean;
}

/** We tell Consul in time how we are, with a note; it need not reach us. */
export interface TtlCheck extends CommonCheck {
  readonly kind: 'ttl';
  /** After so long without a heartbeat an instance is critical, at least 3 s. Default 15 s. */
  readonly ttl?: Duration;
  /** Between two heartbeats, ± 20 %: at least 1 s, at most half of `ttl`. Default a third of it. */
  readonly heartbeat?: Duration;
}

/** Consul connects. */
export interface TcpCheck extends AskingCheck {
  readonly kind: 'tcp';
  /** `host:port`. Default: the instance's. */
  readonly address?: string;
}

/** Consul asks the gRPC health service. */
export interface GrpcCheck extends AskingCheck {
  readonly kind: 'grpc';
  /** `host:port`. Default: the instance's. */
  readonly address?: string;
  /** The service to ask about. Default: the server as a whole. */
  readonly service?: string;
  /** Default false. */
  readonly useTls?: boolean;
  /** Default false. */
  readonly tlsSkipVerify?: boolean;
}

/** A check with its defaults, in milliseconds. */
export type CheckSettings =
  | { readonly kind: 'none' }
  | (Ending & { readonly kind: 'ttl'; readonly ttlMs: number; readonly heartbeatMs: number })
  | (Asking & { readonly kind: 'http' } & Pick<HttpCheck, 'url' | 'path' | 'method' | 'headers' | 'tlsSkipVerify' | 'warn'>)
  | (Asking & { readonly kind: 'tcp'; readonly address: string | undefined })
  | (Asking & { readonly kind: 'grpc' } & Pick<GrpcCheck, 'address' | 'service' | 'useTls' | 'tlsSkipVerify'>);

interface Ending {
  readonly deregisterAfterMs: number | undefined;
}
interface Asking extends Ending {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly successBeforePassing: number | undefined;
  readonly failuresBeforeCritical: number | undefined;
}

/** What stands beside `check` in the options of the registry, for checks that do not say it themselves. */
export interface CheckDefaults {
  readonly interval?: Duration;
  readonly timeout?: Duration;
  readonly ttl?: Duration;
  readonly deregisterCriticalAfter?: Duration;
}

const COMMON = ['kind', 'deregisterCriticalAfter'];
const ASKING = [...COMMON, 'interval', 'timeout', 'successBeforePassing', 'failuresBeforeCritical'];
const KNOWN: Readonly<Record<ConsulCheck['kind'], readonly string[]>> = {
  http: [...ASKING, 'url', 'path', 'method', 'headers', 'tlsSkipVerify', 'warn'],
  ttl: [...COMMON, 'ttl', 'heartbeat'],
  tcp: [...ASKING, 'address'],
  grpc: [...ASKING, 'address', 'service', 'useTls', 'tlsSkipVerify'],
};
const HOST_PORT = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/;

/** @throws TypeError naming the option, its value and what would be right. */
export function checkSettings(given: unknown, defaults: CheckDefaults): CheckSettings {
  // Looked at whatever the check is: a wrong one is wrong.
  const ours = {
    intervalMs: span('interval', defaults.interval ?? 10_000, 1_000, 'Consul would raise less'),
    timeoutMs: span('timeout', defaults.timeout ?? 1_000, 1),
    ttlMs: span('ttl', defaults.ttl ?? 15_000, 3_000, 'a heartbeat is sent every third of it, at most each second'),
    deregisterAfterMs: lastsOf('deregisterCriticalAfter', defaults.deregisterCriticalAfter ?? 60_000),
  };
  if (given === false) return { kind: 'none' };
  const check = (typeof given === 'string' ? { kind: given } : given) as ConsulCheck;
  if (typeof check !== 'object' || check === null || !Object.hasOwn(KNOWN, check.kind))
    throw wrong('check', given, "Give 'http', 'ttl', 'tcp', 'grpc', false, or an object with one of these as kind");
  checkOptions(`consulRegistry check of kind ${check.kind}`, check, KNOWN[check.kind]);
  const deregisterAfterMs =
    check.deregisterCriticalAfter === undefined
      ? ours.deregisterAfterMs
      : check.deregisterCriticalAfter === false
        ? undefined
        : lastsOf('check.deregisterCriticalAfter', check.deregisterCriticalAfter);
  if (check.kind === 'ttl') {
    const ttlMs =
      check.ttl === undefined ? ours.ttlMs : span('check.ttl', check.ttl, 3_000, 'a heartbeat is sent every third of it, at most each second');
    const heartbeatMs =
      check.heartbeat === undefined ? ttlMs / 3 : span('check.heartbeat', check.heartbeat, 1_000, 'one that is lost must not end it', ttlMs / 2);
    return { kind: 'ttl', ttlMs, heartbeatMs, deregisterAfterMs };
  }
  const asking: Asking = {
    intervalMs: check.interval === undefined ? ours.intervalMs : span('check.interval', check.interval, 1_000, 'Consul would raise less'),
    timeoutMs: check.timeout === undefined ? ours.timeoutMs : span('check.timeout', check.timeout, 1),
    successBeforePassing: count('check.successBeforePassing', check.successBeforePassing),
    failuresBeforeCritical: count('check.failuresBeforeCritical', check.failuresBeforeCritical),
    deregisterAfterMs,
  };
  if (check.kind === 'http') return { ...httpOf(check), ...asking };
  if (check.address !== undefined && (typeof check.address !== 'string' || !HOST_PORT.test(check.address)))
    throw wrong('check.address', check.address, "Give host and port, such as '10.0.0.5:8080'");
  if (check.kind === 'tcp') return { kind: 'tcp', ...asking, address: check.address };
  const { kind, address, service, useTls, tlsSkipVerify } = check;
  if (service !== undefined && (typeof service !== 'string' || !/^[\w./-]+$/.test(service)))
    throw wrong('check.service', service, "Give a gRPC service's name, such as 'shop.Orders'");
  return {
    kind,
    ...asking,
    ...(address !== undefined && { address }),
    ...(service !== undefined && { service }),
    ...truth({ useTls, tlsSkipVerify }),
  };
}

function httpOf({ kind, url, path, method, headers, tlsSkipVerify, warn }: HttpCheck): HttpCheck {
  if (url !== undefined && path !== undefined) throw new TypeError('consulRegistry check: url and path are two answers to one question. Give one.');
  const target = typeof url === 'string' ? URL.parse(url) : null;
  if (url !== undefined && (target === null || !/^https?:$/.test(target.protocol)))
    throw wrong('check.url', url, "Give the whole URL, such as 'http://10.0.0.5:8080/health'");
  if (path !== undefined && (typeof path !== 'string' || !/^\/[\x21-\x7e]*$/.test(path)))
    throw wrong('check.path', path, "Give a path of the service, such as '/health/ready'");
  if (method !== undefined && (typeof method !== 'string' || !/^[A-Z]+$/.test(method)))
    throw wrong('check.method', method, "Give one such as 'HEAD'");
  for (const [name, value] of Object.entries(headers ?? {})) {
    // The value is not shown.
    if (typeof value !== 'string' || !/^[\w-]+$/.test(name) || /[\u0000-\u001f\u007f]/.test(value))
      throw new TypeError(
        `consulRegistry check.headers: ${JSON.stringify(name)} is no header, or its value no line of text. Give { 'x-probe': 'consul' }.`,
      );
  }
  return {
    kind,
    ...(url !== undefined && { url }),
    ...(path !== undefined && { path }),
    ...(method !== undefined && { method }),
    ...(headers !== undefined && { headers }),
    ...truth({ tlsSkipVerify, warn }),
  };
}

/** A duration within bounds, in milliseconds. @throws TypeError naming the option. */
export function span(name: string, duration: Duration, leastMs: number, why?: string, mostMs: number = Number.POSITIVE_INFINITY): number {
  const ms = toMs(duration, `consulRegistry ${name}`);
  if (ms >= leastMs && ms <= mostMs) return ms;
  const most = mostMs === Number.POSITIVE_INFINITY ? '' : ` and at most ${mostMs} ms`;
  throw wrong(name, duration, `Give at least ${leastMs} ms${most}${why === undefined ? '' : ` (${why})`}`);
}

function lastsOf(name: string, duration: Duration): number {
  return span(name, duration, 60_000, 'Consul would raise less');
}

function count(name: string, value: number | undefined): number | undefined {
  if (value === undefined || (Number.isInteger(value) && value >= 0)) return value;
  throw wrong(name, value, 'Give an integer from 0');
}

function truth<T extends Readonly<Record<string, boolean | undefined>>>(flags: T): { readonly [K in keyof T]?: boolean } {
  const set: Record<string, boolean> = {};
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    if (typeof value !== 'boolean') throw wrong(`check.${name}`, value, 'Give true or false');
    set[name] = value;
  }
  return set;
}
