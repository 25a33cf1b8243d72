import type { HealthTarget, Instance } from '@ferrule/core';
import { sleep } from '@ferrule/core/adapter';
import type { Clock, KeptEntry } from '@ferrule/core/adapter';
import type { ConsulAnswer, ConsulClient, ConsulRequest } from './client.js';
import { CHECK_STATUS, OWNER, encode } from './entry.js';
import type { HealthRow } from './entry.js';
import { consulId, consulName } from './names.js';
import { isLater, newOwner } from './owner.js';

export interface EntryOptions {
  readonly client: ConsulClient;
  readonly clock: Clock;
  readonly requestTimeoutMs: number;
  readonly tags: readonly string[];
  readonly check: EntryCheck;
  /** The agent took the registration, and the catalogue does not show it. */
  readonly onUnseen: () => void;
}

/** How Consul learns that the instance lives. `http`: it asks; `ttl`: we say so in time; `none`: it does not. */
export type EntryCheck =
  | {
      readonly kind: 'http';
      readonly target: HealthTarget;
      readonly intervalMs: number;
      readonly timeoutMs: number;
      readonly deregisterAfterMs: number;
    }
  | { readonly kind: 'ttl'; readonly ttlMs: number; readonly deregisterAfterMs: number }
  | { readonly kind: 'none' };

/** How long a change at the agent may take until the catalogue shows it. It takes some milliseconds, unless there is no leader. */
const VISIBLE_MS = 5_000;
const GONE_MS = 2_000;
const REST_MS = 50;
/** Of a note; Consul keeps 4,096 bytes. */
const MOST_NOTE = 1_000;

/** What one instance is at its agent, for a keeper. */
export function consulEntry(service: string, id: string, options: EntryOptions): KeptEntry {
  const { client, clock, requestTimeoutMs: timeoutMs, tags, check, onUnseen } = options;
  const params = { id: consulId(service, id) };
  const checkId = `service:${params.id}`;
  const owner = newOwner(clock.wallTime());
  let current: Instance | undefined;
  let note: string | undefined;
  let visible = false;

  /** Who holds the entry at the agent; undefined: there is none. */
  const holder = async (): Promise<{ readonly owner: string | undefined } | undefined> => {
    const request: ConsulRequest = { method: 'GET', path: '/agent/service/{id}', params, timeoutMs };
    const answer = await client.request(request);
    if (answer.status === 404) return undefined;
    const { Meta } = (answer.body ?? {}) as { Meta?: Readonly<Record<string, string>> | null };
    if (answer.status !== 200 || Meta === undefined) throw client.refusedBy(request, answer);
    return { owner: Meta?.[OWNER] };
  };

  /** Says by the TTL check how we are. False: the agent does not know the check. */
  const beat = async (): Promise<boolean> => {
    const body = { Status: CHECK_STATUS[current?.status ?? 'pass'], Output: (note ?? '').slice(0, MOST_NOTE) };
    const request: ConsulRequest = { method: 'PUT', path: '/agent/check/update/{id}', params: { id: checkId }, body, timeoutMs };
    const answer = await client.request(request);
    if (answer.status === 200) return true;
    if (isUnknown(answer)) return false;
    throw client.refusedBy(request, answer);
  };

  /** Waits until the catalogue shows our entry, or shows it no more; false: not within the time. */
  const shows = async (wanted: boolean, withinMs: number): Promise<boolean> => {
    const end = clock.now() + withinMs;
    for (let index = 0; clock.now() < end;) {
      const request: ConsulRequest = {
        method: 'GET',
        path: '/health/service/{name}',
        params: { name: consulName(service) },
        query: { index: String(index), wait: '1s', filter: `Service.ID == ${JSON.stringify(params.id)}` },
        timeoutMs: timeoutMs + 1_000,
      };
      const answer = await client.ask(request);
      if (!Array.isArray(answer.body)) throw client.refusedBy(request, answer);
      if ((answer.body as HealthRow[]).some((row) => row.Service?.Meta?.[OWNER] === owner) === wanted) return true;
      // No news, and an agent that does not hold the question would answer at once again.
      if (answer.index <= index) await sleep(REST_MS, undefined, clock);
      index = answer.index < index ? 0 : answer.index;
    }
    return false;
  };

  return {
    async put(instance, why) {
      current = instance;
      note = why;
      const body = { ...encode(instance, { owner, tags, withStatus: check.kind !== 'ttl' }), ...checkOf(check, checkId, instance) };
      await client.ask({ method: 'PUT', path: '/agent/service/register', query: { 'replace-existing-checks': 'true' }, body, timeoutMs });
      // Registering again leaves an existing check as it was.
      if (check.kind === 'ttl') await beat();
      if (!visible && !(await shows(true, VISIBLE_MS))) onUnseen();
      visible = true;
    },
    async renew() {
      const found = await holder();
      if (found === undefined) return 'gone';
      if (found.owner !== owner) return isLater(owner, found.owner) ? 'gone' : 'taken';
      return check.kind !== 'ttl' || (await beat()) ? 'kept' : 'gone';
    },
    async remove() {
      const found = await holder();
      if (found === undefined || found.owner !== owner) return;
      const request: ConsulRequest = { method: 'PUT', path: '/agent/service/deregister/{id}', params, timeoutMs };
      const answer = await client.request(request);
      if (answer.status !== 200 && !isUnknown(answer)) throw client.refusedBy(request, answer);
      // The agent does the rest by itself; waiting only makes it likely that nobody sees us any more when this resolves.
      await shows(false, GONE_MS).catch(() => {});
    },
  };
}

/** The agent says that it does not know a service or check: 404 since Consul 1.11, before it 500 with these words, or 200. */
function isUnknown({ status, text }: ConsulAnswer): boolean {
  return status === 404 || (status === 500 && /does not have associated TTL|unknown (?:check|service)/i.test(text));
}

function checkOf(check: EntryCheck, checkId: string, { status = 'pass' }: Instance): object {
  if (check.kind === 'none') return {};
  const common = {
    CheckID: checkId,
    // Consul would begin with critical: whoever registers is ready.
    Status: CHECK_STATUS[status],
    DeregisterCriticalServiceAfter: `${check.deregisterAfterMs}ms`,
  };
  if (check.kind === 'ttl') return { Check: { ...common, Name: 'heartbeat', TTL: `${check.ttlMs}ms` } };
  return {
    Check: {
      ...common,
      Name: 'readiness',
      HTTP: warningByStatus(check.target.url),
      Interval: `${check.intervalMs}ms`,
      Timeout: `${check.timeoutMs}ms`,
    },
  };
}

/** Consul takes a 429 for a warning, everything else above 2xx for critical. */
function warningByStatus(url: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}warn=429`;
}
