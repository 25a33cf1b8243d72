import type { HealthTarget, Instance } from '@ferrule/core';
import { sleep } from '@ferrule/core/adapter';
import type { Clock, KeptEntry } from '@ferrule/core/adapter';
import type { ConsulAnswer, ConsulClient, ConsulRequest } from './client.js';
import type { CheckSettings } from './check.js';
import { checkBody } from './check-body.js';
import { OWNER, encode } from './entry.js';
import type { EntryStyle, HealthRow } from './entry.js';
import { consulId, consulName } from './names.js';
import { maintenance } from './maintenance.js';
import type { Maintenance } from './maintenance.js';
import { isLater, newOwner } from './owner.js';
import { CHECK_STATUS } from './status.js';

export interface EntryOptions {
  readonly client: ConsulClient;
  readonly clock: Clock;
  readonly requestTimeoutMs: number;
  readonly style: EntryStyle;
  readonly check: CheckSettings;
  /** What an HTTP check without an address of its own asks. */
  readonly health: HealthTarget | undefined;
  /** The agent took the registration, and the catalogue does not show it. */
  readonly onUnseen: () => void;
}

/** How long a change at the agent may take until the catalogue shows it. It takes some milliseconds, unless there is no leader. */
const VISIBLE_MS = 5_000;
const GONE_MS = 2_000;
/** What is removed by others again and again is left to the next renewal. */
const MOST_ROUNDS = 3;
const REST_MS = 50;
/** Characters of a note: whoever may read the catalogue reads it. */
const MOST_NOTE = 200;

/** A kept entry that can be taken out of use without being removed. */
export interface ConsulEntry extends KeptEntry {
  /** With a reason: others are to send nothing, though every check passes. Undefined: as before. What fails is done with the next renewal. */
  maintain(reason: string | undefined): Promise<void>;
}

/** What one instance is at its agent, for a keeper. */
export function consulEntry(service: string, id: string, options: EntryOptions): ConsulEntry {
  const { client, clock, requestTimeoutMs: timeoutMs, style, check, health, onUnseen } = options;
  /** Kratos' clients leave out what warns, and ours does not mean that: they see it pass, and our own see it in Meta. */
  const mayWarn = style.interop?.kind !== 'kratos';
  const withStatus = check.kind !== 'ttl' || !mayWarn;
  const params = { id: consulId(service, id) };
  const checkId = `service:${params.id}`;
  const owner = newOwner(clock.wallTime());
  let current: Instance | undefined;
  let note: string | undefined;
  let visible = false;
  // Not ours yet: what others have left at the agent under this id is replaced, its checks too.
  let fresh = true;
  const mode: Maintenance = maintenance(client, params.id, timeoutMs);

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
    const status = current?.status ?? 'pass';
    const body = { Status: CHECK_STATUS[status === 'warn' && !mayWarn ? 'pass' : status], Output: lineOf(note ?? '') };
    const request: ConsulRequest = { method: 'PUT', path: '/agent/check/update/{id}', params: { id: checkId }, body, timeoutMs };
    const answer = await client.request(request);
    if (answer.status === 200) return true;
    if (isUnknown(answer)) return false;
    throw client.refusedBy(request, answer);
  };

  /** Waits until the catalogue shows our entry, or shows it no more; `gone`: somebody took it away from the agent meanwhile. */
  const shows = async (wanted: boolean, withinMs: number): Promise<'reached' | 'gone' | 'late'> => {
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
      const rows = answer.body as HealthRow[];
      if (rows.some((row) => row.Service?.Meta?.[OWNER] === owner) === wanted) return 'reached';
      // Not there yet, or never to be seen: at the agent it was replaced, or removed by who had the id before and asked before we wrote.
      if (wanted && (rows.length > 0 || index > 0)) {
        const found = await holder();
        if (found?.owner !== owner) return found === undefined ? 'gone' : 'reached';
      }
      // No news, and an agent that does not hold the question would answer at once again.
      if (answer.index <= index) await sleep(REST_MS, undefined, clock);
      index = answer.index < index ? 0 : answer.index;
    }
    return 'late';
  };

  return {
    async put(instance, why) {
      current = instance;
      note = why;
      const Check = checkBody(check, { checkId, instance, health, mayWarn });
      const body = { ...encode(instance, { ...style, owner, withStatus }), ...(Check && { Check }) };
      for (let round = 1; ; round++) {
        const query = { 'replace-existing-checks': String(fresh) };
        await client.ask({ method: 'PUT', path: '/agent/service/register', query, body, timeoutMs });
        // Registering again leaves an existing check as it was.
        if (check.kind === 'ttl') await beat();
        if (fresh) await mode.restore();
        fresh = false;
        const outcome = visible ? 'reached' : await shows(true, VISIBLE_MS);
        fresh = outcome === 'gone';
        if (outcome === 'late') onUnseen();
        if (outcome !== 'gone' || round === MOST_ROUNDS) break;
      }
      visible = true;
    },
    async renew() {
      const found = await holder();
      const isOurs = found?.owner === owner;
      if (!isOurs && found !== undefined && !isLater(owner, found.owner)) return 'taken';
      const isGone = !isOurs || (check.kind === 'ttl' && !(await beat()));
      // Else it stays as it was: of a write that was not seen to end, the keeper makes another.
      fresh ||= isGone;
      if (isGone) return 'gone';
      await mode.catchUp();
      return 'kept';
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
    maintain: (reason) => mode.change(reason === undefined ? undefined : lineOf(reason)),
  };
}

/** The agent says that it does not know a service or check: 404 since Consul 1.11, before it 500 with these words, or 200. */
function isUnknown({ status, text }: ConsulAnswer): boolean {
  return status === 404 || (status === 500 && /does not have associated TTL|unknown (?:check|service)/i.test(text));
}

/** A note as it is shown: one line, and short. */
function lineOf(text: string): string {
  return text
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
    .slice(0, MOST_NOTE)
    .trim();
}
