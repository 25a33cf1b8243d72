import { abortableOf, reconnectDelay, sleep } from '@ferrule/core/adapter';
import type { Clock, Timer } from '@ferrule/core/adapter';
import type { AgentGate } from './agent-gate.js';
import type { ConsulAnswer } from './client.js';
import { Pace } from './pace.js';

/** What the detector tells. */
export interface Hints {
  /** These services, and what is on these nodes, may have another list. */
  onChange(services: ReadonlySet<string>, nodes: ReadonlySet<string>): void;
  /** Any service may: something changed, and it cannot be told where, or changes may have been missed. */
  onDoubt(): void;
}

export interface ChangeDetectorOptions {
  /** Asks for a table: at once with index 0, else as soon as its index is another. */
  readonly ask: (path: TablePath, index: number, withinMs: number | undefined) => Promise<ConsulAnswer>;
  /** Not the form that was expected. */
  readonly refusedBy: (path: TablePath, answer: ConsulAnswer) => Error;
  readonly gate: AgentGate;
  readonly clock: Clock;
  readonly random: () => number;
  readonly hints: Hints;
}

export type TablePath = '/health/state/any' | '/catalog/services';

/** How many indexes of checks are remembered, to tell what a change of the catalogue was. */
const MOST_INDEXES = 512;
/** The checks of a registration are told within this time of the registration, unless they rest. */
const PATIENCE_MS = 150;
const MOST_PATIENCE_MS = 300;
/** A question that was answered sooner may have missed that several things changed. */
const AT_ONCE_MS = 20;

/** How many checks a service has, and the sum of their indexes: see `checksLoop`. */
interface Mark {
  count: number;
  sum: number;
}

/**
 * Tells which services may have changed, by two questions that are held open, however many services there are.
 *
 * `/health/state/any` wakes with every check that comes, goes or changes, and its answer tells all checks with their service and index: the
 * services that changed are those whose count or sum of indexes differs, because every index is greater than all before it. A registration
 * that has a check, a status, a lost node: all are seen in it at once.
 *
 * `/catalog/services` wakes with every registration, also without a check or with another tag or address alone. It does not tell whose. Its
 * index is the one of the last change; where that is one of a check, the first question has told it. Else everything is in doubt.
 *
 * Measured on 1.8.7 in server mode with 500 services of 3 instances: an answer about all checks is 525 kB and costs the agent 2.4 ms and us
 * 1.4 ms, one about the catalogue 20 kB and 1 ms, and a look at one service 0.2 ms of each, 500 of them 70 ms. So what is cheap is to ask
 * which, and what is in doubt costs no more than a look at all. Considered and left: `/internal/ui/services` (4 times the work of the
 * agent, not a stable interface, and only counts), `?cached` (no cheaper on a server), a filter (the agent works as much), polling each
 * service in turn (four processes that do so within 2 s keep an idle agent at 12 % of a core). A node that changes its address alone wakes
 * neither question; a round every half minute sees that.
 */
export class ChangeDetector {
  readonly #options: ChangeDetectorOptions;
  readonly #ending = new AbortController();
  #needed = false;
  /** Which of the two questions go on, and which of them have been answered once. */
  readonly #running = new Set<TablePath>();
  readonly #standing = new Set<TablePath>();
  readonly #indexes = new Set<number>();
  #checksIndex = 0;
  #checksRestUntil = 0;
  #unexplained: { readonly index: number; readonly timer: Timer } | undefined;

  constructor(options: ChangeDetectorOptions) {
    this.#options = options;
  }

  /** Whether nothing is missed now. */
  get stands(): boolean {
    return this.#standing.size === 2;
  }

  /** From now on it runs (true), or ends with the answers that it waits for: an aborted question would keep its connection at the agent. */
  need(needed: boolean): void {
    this.#needed = needed;
    if (!needed) return;
    void this.#loop('/health/state/any', () => this.#checks());
    void this.#loop('/catalog/services', () => this.#catalog());
  }

  close(): void {
    this.#needed = false;
    this.#ending.abort();
    this.#unexplained?.timer.cancel();
  }

  async #loop(path: TablePath, begin: () => (answer: ConsulAnswer, heldMs: number) => void): Promise<void> {
    if (this.#running.has(path)) return;
    const { ask, gate, clock, random, hints } = this.#options;
    const abortable = abortableOf(this.#ending.signal);
    const pace = new Pace();
    let index = 0;
    let take = begin();
    let failures = 0;
    this.#running.add(path);
    try {
      while (this.#needed) {
        const askedAt = clock.now();
        let restUntil: number;
        try {
          const answer = await gate.run(
            (withinMs) => ask(path, index, withinMs),
            () => this.#needed,
          );
          if (answer === undefined) continue;
          failures = 0;
          // Backwards: another log, whose indexes say nothing of what changed.
          if (answer.index < index) {
            take = begin();
            index = 0;
            this.#standing.delete(path);
            continue;
          }
          take(answer, clock.now() - askedAt);
          if (index === 0) {
            this.#standing.add(path);
            // Between the lists of now and this answer something may have changed.
            if (this.stands) hints.onDoubt();
          }
          index = answer.index;
          restUntil = pace.count(askedAt, answer);
          if (path === '/health/state/any') this.#checksRestUntil = restUntil;
        } catch {
          this.#standing.delete(path);
          take = begin();
          index = 0;
          restUntil = clock.now() + reconnectDelay(++failures, random);
        }
        if (restUntil > clock.now()) await sleep(restUntil - clock.now(), abortable, clock);
      }
    } catch {
      // Closed while it slept.
    } finally {
      this.#standing.delete(path);
      this.#running.delete(path);
    }
  }

  #checks(): (answer: ConsulAnswer) => void {
    let before: Map<string, Mark> | undefined;
    this.#checksIndex = 0;
    return (answer) => {
      if (!Array.isArray(answer.body)) throw this.#options.refusedBy('/health/state/any', answer);
      const now = new Map<string, Mark>();
      for (const { ModifyIndex = 0, ServiceName = '', Node = '' } of answer.body as CheckRow[]) {
        const key = ServiceName === '' ? `\0${Node}` : ServiceName;
        const mark = now.get(key);
        if (mark === undefined) now.set(key, { count: 1, sum: ModifyIndex });
        else {
          mark.count++;
          mark.sum += ModifyIndex;
        }
        if (ModifyIndex > this.#checksIndex && before !== undefined) this.#remember(ModifyIndex);
      }
      this.#remember(answer.index);
      this.#checksIndex = answer.index;
      if (before !== undefined) {
        this.#tell(changedKeys(before, now));
        // A node may come with services that have no check of their own, in one change.
        for (const key of now.keys()) if (key.startsWith('\0') && !before.has(key)) this.#options.hints.onDoubt();
      }
      before = now;
      if (this.#unexplained !== undefined && this.#unexplained.index <= answer.index) this.#explain();
    };
  }

  #catalog(): (answer: ConsulAnswer, heldMs: number) => void {
    let before: Map<string, string> | undefined;
    let index = 0;
    return (answer, heldMs) => {
      if (typeof answer.body !== 'object' || answer.body === null || Array.isArray(answer.body))
        throw this.#options.refusedBy('/catalog/services', answer);
      const now = new Map(
        Object.entries(answer.body as Readonly<Record<string, readonly string[] | null>>).map(([name, tags]) => [name, markOf(tags)]),
      );
      if (before !== undefined && answer.index !== index) {
        const changed = new Set<string>();
        for (const [name, tags] of now) if (before.get(name) !== tags) changed.add(name);
        for (const name of before.keys()) if (!now.has(name)) changed.add(name);
        this.#tell(changed);
        if (heldMs < AT_ONCE_MS) this.#options.hints.onDoubt();
        else this.#await(answer.index);
      }
      before = now;
      index = answer.index;
    };
  }

  /** Whether the change of the catalogue with this index was one of a check too, which may not have been told yet. */
  #await(index: number): void {
    const { clock, hints } = this.#options;
    if (this.#indexes.has(index)) return;
    if (this.#checksIndex > index) return hints.onDoubt();
    this.#unexplained?.timer.cancel();
    const restMs = Math.max(0, this.#checksRestUntil - clock.now());
    this.#unexplained = { index, timer: clock.schedule(Math.min(PATIENCE_MS + restMs, MOST_PATIENCE_MS), () => this.#explain()) };
  }

  #explain(): void {
    const { index, timer } = this.#unexplained!;
    this.#unexplained = undefined;
    timer.cancel();
    if (!this.#indexes.has(index)) this.#options.hints.onDoubt();
  }

  #remember(index: number): void {
    this.#indexes.add(index);
    for (const oldest of this.#indexes) {
      if (this.#indexes.size <= MOST_INDEXES) break;
      this.#indexes.delete(oldest);
    }
  }

  #tell(keys: ReadonlySet<string>): void {
    if (keys.size === 0) return;
    const services = new Set<string>();
    const nodes = new Set<string>();
    for (const key of keys) {
      if (key.startsWith('\0')) nodes.add(key.slice(1));
      else services.add(key);
    }
    this.#options.hints.onChange(services, nodes);
  }
}

/** One row of `/health/state/any`, as far as it is read. */
interface CheckRow {
  readonly Node?: string;
  readonly ServiceName?: string;
  readonly ModifyIndex?: number;
}

function changedKeys(before: ReadonlyMap<string, Mark>, now: ReadonlyMap<string, Mark>): Set<string> {
  const changed = new Set<string>();
  for (const [key, { count, sum }] of now) {
    const mark = before.get(key);
    if (mark?.count !== count || mark.sum !== sum) changed.add(key);
  }
  for (const key of before.keys()) if (!now.has(key)) changed.add(key);
  return changed;
}

/** Consul tells the tags of all instances of a service together, in an order that differs from answer to answer. */
function markOf(tags: readonly string[] | null): string {
  return [...(tags ?? [])].sort((a, b) => (a < b ? -1 : 1)).join('\0');
}
