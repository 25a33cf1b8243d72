import type { Instance } from '@ferrule/core';
import { isServiceError } from '@ferrule/core';
import { abortableOf, sleep } from '@ferrule/core/adapter';
import type { Clock, Sink, Timer } from '@ferrule/core/adapter';
import type { AgentGate } from './agent-gate.js';
import { ChangeDetector } from './change-detector.js';
import type { TablePath } from './change-detector.js';
import type { ConsulAnswer, ConsulClient, ConsulRequest } from './client.js';
import type { Choice } from './instance-rows.js';
import { ServiceWatch } from './service-watch.js';

export interface ServiceWatchesOptions {
  readonly client: ConsulClient;
  readonly gate: AgentGate;
  readonly clock: Clock;
  readonly random: () => number;
  readonly choice: Choice;
  /** Of every read: datacenter, consistency. */
  readonly reads: Readonly<Record<string, string>>;
  /** Of instances, in the words of Consul. */
  readonly filter: string | undefined;
  /** How long a question may be held open, ms. */
  readonly waitMs: number;
  readonly requestTimeoutMs: number;
  /** How many services may have a question held open, beside the two of the detector. */
  readonly places: number;
  /** How many may be looked at at a time. */
  readonly lookers: number;
}

/** All services are looked at after so long, whatever was heard of them; and while the detector does not stand. */
const ROUND_MS = 30_000;
const BLIND_ROUND_MS = 2_000;
/** Between two looks at all because of doubt. */
const DOUBT_MS = 1_000;
/** Names whose watchers have been told that the agent is away; beyond, they are told again. */
const MOST_TOLD = 10_000;

/**
 * All watched services of a registry, with few connections: Consul holds a connection for each blocking query, and closes all beyond 200
 * of one client address, those of registrations too.
 *
 * While the places suffice every service has a question of its own that is held open. Beyond that the ones that changed last have, and the
 * detector tells of the others, which are then looked at: those it names at once, all in turn when it is in doubt. Whose question is
 * answered gives its place to one that changed later. A held question is never broken off, since its connection would count at the agent
 * until its wait is over: one that nobody needs any more runs out, and whoever comes back meanwhile finds it.
 *
 * A question that fails ends its watch, and the gate shuts. Whoever watches again hears once more nothing until the agent is back, instead
 * of the same error again and again; only one that gives up waiting and asks anew is answered with the error at once.
 */
export class ServiceWatches {
  readonly #options: ServiceWatchesOptions;
  readonly #watches = new Map<string, ServiceWatch>();
  readonly #byName = new Map<string, ServiceWatch>();
  readonly #detector: ChangeDetector;
  readonly #ending = new AbortController();
  /** How the agent is away, as it was told those who watched a service; `impatient`: they have left again since. */
  readonly #told = new Map<string, { readonly code: string; impatient: boolean }>();
  #now: ServiceWatch[] = [];
  #later: ServiceWatch[] = [];
  #looking = 0;
  #holding = 0;
  #round: Timer | undefined;
  #doubt: Timer | undefined;
  #doubtedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ServiceWatchesOptions) {
    const { client, gate, clock, random } = options;
    this.#options = options;
    this.#detector = new ChangeDetector({
      ask: (path, index, withinMs) => this.#ask({ path }, index, withinMs),
      refusedBy: (path: TablePath, answer) => client.refusedBy({ method: 'GET', path, timeoutMs: 0 }, answer),
      gate,
      clock,
      random,
      hints: {
        onChange: (services, nodes) => this.#hear(services, nodes),
        onDoubt: () => this.#doubtAll(),
      },
    });
  }

  /** Pushes the list of a service, an empty one too, and every later one. The returned function ends that. @throws why the agent is away. */
  subscribe(service: string, sink: Sink<readonly Instance[]>): () => void {
    const { gate, clock, choice } = this.#options;
    let watch = this.#watches.get(service);
    const told = this.#told.get(service);
    if (watch === undefined) {
      if (gate.away !== undefined && (told === undefined || told.impatient)) {
        this.#tell(service, gate.away.error);
        throw gate.away.error;
      }
      watch = new ServiceWatch(service, choice, clock.now());
      this.#watches.set(service, watch);
      this.#byName.set(watch.name, watch);
      this.#watchMore();
    }
    const first = !watch.isWatched;
    const leave = watch.subscribe(sink, first);
    if (first) this.#want(watch, 'now');
    return () => {
      leave();
      if (!watch.isWatched && !watch.ended) this.#leave(watch);
    };
  }

  /** Everything may have changed while the agent was away. */
  returned(doubtful: boolean): void {
    this.#told.clear();
    if (!doubtful) return;
    for (const watch of this.#watches.values()) {
      watch.distrust();
      // What is being asked was let through by the return, or was the question that found it.
      if (!watch.looking) this.#want(watch, 'now');
    }
  }

  /** It is sure that the agent is away: whoever has no question of his own under way sees nothing. */
  lost(error: unknown): void {
    for (const watch of [...this.#watches.values()]) {
      if (watch.holding || !this.#isNews(watch.service, error)) continue;
      this.#fail(watch, error);
    }
  }

  close(error: unknown): void {
    this.#ending.abort();
    this.#detector.close();
    this.#round?.cancel();
    this.#doubt?.cancel();
    for (const watch of [...this.#watches.values()]) this.#end(watch, error);
  }

  #watchMore(): void {
    if (this.#watches.size <= this.#options.places) return;
    this.#detector.need(true);
    if (this.#round === undefined) this.#planRound();
  }

  #planRound(): void {
    const { clock, random } = this.#options;
    const everyMs = this.#detector.stands ? ROUND_MS : BLIND_ROUND_MS;
    this.#round = clock.schedule(everyMs * (0.9 + 0.2 * random()), () => {
      this.#lookAtAll();
      this.#planRound();
    });
  }

  #watchLess(): void {
    if (this.#watches.size > this.#options.places) return;
    this.#detector.need(false);
    this.#round?.cancel();
    this.#round = undefined;
  }

  #hear(services: ReadonlySet<string>, nodes: ReadonlySet<string>): void {
    const heard = new Set<ServiceWatch>();
    for (const name of services) {
      const watch = this.#byName.get(name);
      if (watch !== undefined) heard.add(watch);
    }
    if (nodes.size > 0) for (const watch of this.#watches.values()) if ([...watch.nodes].some((node) => nodes.has(node))) heard.add(watch);
    for (const watch of heard) {
      if (watch.holding) watch.doubtful = true;
      else this.#want(watch, 'now');
    }
  }

  #doubtAll(): void {
    const { clock } = this.#options;
    const leftMs = this.#doubtedAt + DOUBT_MS - clock.now();
    if (leftMs <= 0) {
      this.#doubtedAt = clock.now();
      this.#lookAtAll();
    } else {
      this.#doubt ??= clock.schedule(leftMs, () => {
        this.#doubt = undefined;
        this.#doubtAll();
      });
    }
  }

  /** Those first that changed last: what changes without a check is mostly the same. */
  #lookAtAll(): void {
    const all = [...this.#watches.values()].sort((a, b) => b.changedAt - a.changedAt);
    for (const watch of all) if (!watch.holding) this.#want(watch, 'later');
  }

  /** Puts it into the line of those to look at. */
  #want(watch: ServiceWatch, when: 'later' | 'now'): void {
    if (watch.wanted === 'now' || watch.wanted === when || watch.ended) return;
    watch.wanted = when;
    if (watch.looking) return; // `#look` puts it into the line again
    const { clock } = this.#options;
    const restMs = watch.restUntil - clock.now();
    const line = (): void => {
      if (watch.wanted !== when || watch.ended || watch.looking) return;
      (when === 'now' ? this.#now : this.#later).push(watch);
      this.#pump();
    };
    if (restMs > 0) clock.schedule(restMs, line);
    else line();
  }

  #pump(): void {
    while (this.#looking < this.#options.lookers) {
      const watch = this.#now.shift() ?? this.#later.shift();
      if (watch === undefined) return;
      // It may stand in both lines.
      if (watch.wanted !== 'no' && !watch.looking && !watch.ended) void this.#look(watch);
    }
  }

  async #look(watch: ServiceWatch): Promise<void> {
    const { gate, clock } = this.#options;
    watch.wanted = 'no';
    watch.looking = true;
    this.#looking++;
    let askedAt = clock.now();
    try {
      const answer = await gate.run(
        (withinMs) => {
          askedAt = clock.now();
          return this.#askFor(watch, 0, withinMs);
        },
        () => !watch.ended,
      );
      if (answer !== undefined && !watch.ended) this.#take(watch, answer, askedAt);
    } catch (error) {
      if (!watch.ended) this.#failed(watch, error);
    } finally {
      watch.looking = false;
      this.#looking--;
    }
    if (!watch.ended) {
      const again = watch.wanted;
      watch.wanted = 'no';
      if (again !== 'no') this.#want(watch, again);
      else this.#hold(watch);
    }
    this.#pump();
  }

  /** Holds a question open if there is a place for it. */
  #hold(watch: ServiceWatch): void {
    if (watch.holding || watch.ended || !watch.hasList || !this.#options.gate.isOpen) return;
    if (watch.index === 0) {
      if (watch.wanted === 'no') this.#want(watch, 'later'); // it can only be asked again and again
    } else if (this.#holding < this.#options.places) void this.#holdOn(watch);
  }

  async #holdOn(watch: ServiceWatch): Promise<void> {
    const { gate, clock } = this.#options;
    const abortable = abortableOf(this.#ending.signal);
    watch.holding = true;
    this.#holding++;
    let turn = gate.turn;
    try {
      do {
        const restMs = watch.restUntil - clock.now();
        if (restMs > 0) await sleep(restMs, abortable, clock);
        if (watch.ended || !gate.isOpen || watch.index === 0) break;
        turn = gate.turn;
        watch.doubtful = false;
        const { index } = watch;
        const askedAt = clock.now();
        const answer = await gate.run(
          () => this.#askFor(watch, index),
          () => true,
        );
        if (answer === undefined || watch.ended) break;
        if (turn !== gate.turn) break;
        // It was looked at while this waited, and that list may be the newer one.
        if (watch.index !== index) continue;
        this.#take(watch, answer, askedAt);
        // Backwards: whatever comes next may have any index.
        if (answer.index < index) {
          watch.distrust();
          this.#want(watch, 'now');
        }
      } while (this.#mayHold(watch));
    } catch (error) {
      // The connection died while the agent was away; it has been asked since.
      if (!watch.ended && turn === gate.turn && !this.#ending.signal.aborted) this.#failed(watch, error);
    } finally {
      watch.holding = false;
      this.#holding--;
    }
    if (!watch.ended && !watch.isWatched) this.#drop(watch);
    if (!watch.ended && (watch.doubtful || watch.index === 0 || turn !== gate.turn)) this.#want(watch, 'now');
    this.#fill();
  }

  /** Whether it keeps its place: it is one of those that changed last. */
  #mayHold(watch: ServiceWatch): boolean {
    if (watch.ended || !watch.isWatched) return false;
    const next = this.#latest();
    return next === undefined || next.changedAt <= watch.changedAt;
  }

  #fill(): void {
    if (this.#ending.signal.aborted || !this.#options.gate.isOpen) return;
    while (this.#holding < this.#options.places) {
      const watch = this.#latest();
      if (watch === undefined) return;
      this.#hold(watch);
    }
  }

  /** Of those without a place. */
  #latest(): ServiceWatch | undefined {
    let latest: ServiceWatch | undefined;
    for (const watch of this.#watches.values()) {
      if (watch.holding || watch.looking || watch.wanted !== 'no' || watch.index === 0) continue;
      if (latest === undefined || watch.changedAt > latest.changedAt) latest = watch;
    }
    return latest;
  }

  #take(watch: ServiceWatch, answer: ConsulAnswer, askedAt: number): void {
    watch.restUntil = watch.pace.count(askedAt, answer);
    watch.take(answer, this.#options.clock.now());
    this.#told.delete(watch.service);
  }

  #failed(watch: ServiceWatch, error: unknown): void {
    // A look that was the gate's probe, for somebody who knows that the agent is away.
    if (this.#isNews(watch.service, error)) this.#fail(watch, error);
    else this.#want(watch, 'now');
  }

  #isNews(service: string, error: unknown): boolean {
    return this.#told.get(service)?.code !== codeOf(error);
  }

  #tell(service: string, error: unknown): void {
    if (this.#told.size < MOST_TOLD) this.#told.set(service, { code: codeOf(error), impatient: false });
  }

  #fail(watch: ServiceWatch, error: unknown): void {
    this.#tell(watch.service, error);
    this.#end(watch, error);
    this.#watchLess();
  }

  #leave(watch: ServiceWatch): void {
    const told = this.#told.get(watch.service);
    if (told !== undefined) told.impatient = true;
    if (!watch.holding) this.#drop(watch);
  }

  #drop(watch: ServiceWatch): void {
    this.#end(watch);
    this.#watchLess();
  }

  #end(watch: ServiceWatch, error?: unknown): void {
    if (this.#watches.get(watch.service) === watch) this.#watches.delete(watch.service);
    if (this.#byName.get(watch.name) === watch) this.#byName.delete(watch.name);
    watch.end(error);
  }

  async #askFor(watch: ServiceWatch, index: number, withinMs?: number): Promise<ConsulAnswer> {
    const { client, gate, filter, reads } = this.#options;
    const path = '/health/service/{name}';
    // A server that has just come back elects itself and answers before it has read all of its log: 1.8.7 told no instance for more than a
    // second where there were three. Then a last good list is not given up for less than what a majority confirms.
    const confirmed = gate.turn > 0 && watch.index === 0 && reads['stale'] === undefined;
    const query = { ...(filter !== undefined && { filter }), ...(confirmed && { consistent: 'true' }) };
    const answer = await this.#ask({ path, params: { name: watch.name }, query }, index, withinMs);
    if (!Array.isArray(answer.body)) throw client.refusedBy({ method: 'GET', path, timeoutMs: 0 }, answer);
    return answer;
  }

  /** At once with index 0; else held open until the index is another one, or the wait is over. */
  #ask(what: Pick<ConsulRequest, 'path' | 'params' | 'query'>, index: number, withinMs = Number.POSITIVE_INFINITY): Promise<ConsulAnswer> {
    const { client, reads, waitMs, requestTimeoutMs } = this.#options;
    const blocking = index !== 0;
    return client.ask({
      ...what,
      method: 'GET',
      query: { ...what.query, ...reads, ...(blocking && { index: String(index), wait: `${waitMs}ms` }) },
      // Consul adds up to a sixteenth, so that not all who wait come back together.
      timeoutMs: blocking ? waitMs + waitMs / 16 + 5_000 : Math.min(requestTimeoutMs, withinMs),
      blocking,
    });
  }
}

function codeOf(error: unknown): string {
  return isServiceError(error) ? error.code : '';
}
