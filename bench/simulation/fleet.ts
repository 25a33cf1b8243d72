import { Call, createSelector } from '@ferrule/core';
import type { Ejector, Instance, ServiceSelector, Snapshot, SnapshotSource, Subset } from '@ferrule/core';
import { QueuedTimer, TimerQueue } from '@ferrule/core/adapter';
import type { Lease } from '@ferrule/core/adapter';
import { seededRandom } from '@ferrule/testing';
import { Agenda } from './agenda.js';
import type { Happening } from './agenda.js';
import { exponential } from './draws.js';
import type { Draw } from './draws.js';
import { serverOf } from './rule.js';
import type { Rule, World } from './rule.js';
import { LatencyReports, Server } from './server.js';
import type { Job } from './server.js';
import { Tally } from './tally.js';

/** An open-loop experiment: calls arrive whatever becomes of the ones before them. Section 0 of the facts says why each default. */
export interface Experiment {
  readonly rule: Rule;
  /** Default none, so that balancers are seen alone. */
  readonly ejector?: Ejector | false;
  readonly seed?: number;
  /** Default 10. */
  readonly servers?: number;
  /** Of each server. Default 4. Infinity: no queueing. */
  readonly workers?: number;
  /** Default exponential of 10 ms. */
  readonly serviceMs?: Draw;
  /** Of `serviceMs`; default 10. */
  readonly meanMs?: number;
  /** Independent client processes. Default 1. */
  readonly clients?: number;
  /** How busy the servers are at speed 1. Or give `perSecond`. */
  readonly load?: number;
  /** Calls a second in all, at a time in ms. */
  readonly perSecond?: number | ((now: number) => number);
  /** Default 1: half each way, give or take 20 %. */
  readonly roundTripMs?: number;
  /** Default 5 s. The server finishes the work all the same. */
  readonly timeoutMs?: number;
  /** Default 10. */
  readonly warmUpSeconds?: number;
  /** Default 40. */
  readonly seconds?: number;
  /** Weights of the clients, for unequal ones. */
  readonly clientWeights?: (client: number) => number;
  /** Which servers a client uses. Default all. */
  readonly subset?: (client: number, clients: number) => Subset;
  /** Changes of the world: called once before the first call. */
  readonly events?: (fleet: Fleet) => void;
  /** Servers listed from the start; default all. */
  readonly listed?: number;
}

export function simulate(experiment: Experiment): Tally {
  return new Fleet(experiment).run();
}

/** The simulated world of one experiment: servers, clients with the shipped selector each, and the network between them. */
export class Fleet {
  readonly agenda = new Agenda();
  readonly servers: readonly Server[];
  readonly selectors: readonly ServiceSelector[];
  readonly random: () => number;
  readonly tally: Tally;
  readonly warmUpMs: number;
  readonly #directories: readonly ListedServers[];
  readonly #timeouts: TimerQueue;
  readonly #experiment: Experiment;
  readonly #oneWayMs: number;

  constructor(experiment: Experiment) {
    const { servers = 10, workers = 4, clients = 1, seed = 1, subset, rule, ejector = false, listed = servers } = experiment;
    const { serviceMs = exponential(10) } = experiment;
    this.#experiment = experiment;
    this.random = seededRandom(seed);
    this.tally = new Tally(servers);
    this.warmUpMs = (experiment.warmUpSeconds ?? 10) * 1_000;
    this.#oneWayMs = (experiment.roundTripMs ?? 1) / 2;
    this.#timeouts = new TimerQueue(experiment.timeoutMs ?? 5_000, this.agenda);
    const random = seededRandom(seed + 7_919);
    this.servers = Array.from({ length: servers }, () => new Server(this.agenda, random, { workers, serviceMs }));
    const all = Array.from({ length: servers }, (_, server) => instanceOf(server));
    this.#directories = Array.from({ length: clients }, () => new ListedServers(all.slice(0, listed)));
    this.selectors = this.#directories.map((directory, client) => {
      const draw = seededRandom(seed * 10_007 + client * 101 + 3);
      return createSelector({
        service: SERVICE,
        directory,
        balancer: rule.make(this.#world(draw, subset?.(client, clients)(all).length ?? directory.size)),
        ...(subset !== undefined && { subset: subset(client, clients) }),
        ejector,
        clock: this.agenda,
        random: draw,
      });
    });
  }

  run(): Tally {
    const { seconds = 40, load = 0.7, meanMs = 10, clientWeights } = this.#experiment;
    const { workers = 4, servers = 10 } = this.#experiment;
    const perSecond = this.#experiment.perSecond ?? (load * servers * workers * 1_000) / meanMs;
    this.#experiment.events?.(this);
    const endMs = this.warmUpMs + seconds * 1_000;
    const clients = new Clients(this.selectors.length, clientWeights);
    new Arrivals(this.agenda, this.random, perSecond, endMs, () => this.#call(this.selectors[clients.draw(this.random)]!));
    this.agenda.playSync(endMs + (this.#experiment.timeoutMs ?? 5_000) + 2);
    return this.tally;
  }

  /** From now on the clients' lists have these servers. */
  list(servers: readonly number[]): void {
    for (const directory of this.#directories) directory.publish(servers.map(instanceOf));
  }

  /** Something happens at a time, in seconds from the beginning. */
  at(second: number, happen: () => void): void {
    this.agenda.schedule(second * 1_000, happen);
  }

  oneWay(): number {
    return this.#oneWayMs * (0.8 + 0.4 * this.random());
  }

  timeOut(exchange: QueuedTimer): void {
    this.#timeouts.add(exchange);
  }

  #call(selector: ServiceSelector): void {
    const lease = selector.select(CALL) as Lease;
    const exchange = new Exchange(this, lease);
    this.tally.picked(exchange.server, this.agenda.now());
    this.agenda.add(exchange, this.agenda.now() + this.oneWay());
  }

  #world(random: () => number, size: number): World {
    return {
      random,
      clock: this.agenda,
      size,
      probe: (number, answer) => {
        const server = this.servers[number]!;
        this.agenda.schedule(this.oneWay(), () => {
          server.reports ??= new LatencyReports();
          const { inflight } = server;
          const latencyMs = server.reports.median(inflight);
          this.agenda.schedule(this.oneWay(), () => answer(inflight, latencyMs));
        });
      },
      busyness: (number) => {
        const { speed, inflight } = this.servers[number]!;
        return (inflight + 1) / speed;
      },
    };
  }
}

const ARRIVING = 0;
const WORKED_ON = 1;
const REPLYING = 2;

/** One call on its way: to the server, through it, and back. Its own timeout, too. */
class Exchange extends QueuedTimer implements Job {
  override holds = false;
  at = 0;
  order = 0;
  pausedMs = 0;
  found = 0;
  cameAt = 0;
  readonly latestStart = Infinity;
  readonly server: number;
  #stage: typeof ARRIVING | typeof WORKED_ON | typeof REPLYING = ARRIVING;
  #ok = true;
  #over = false;
  readonly #startedAt: number;
  readonly #fleet: Fleet;
  readonly #lease: Lease;

  constructor(fleet: Fleet, lease: Lease) {
    super();
    this.#fleet = fleet;
    this.#lease = lease;
    this.server = serverOf(lease.endpoint.id);
    this.#startedAt = fleet.agenda.now();
    fleet.timeOut(this);
  }

  happen(): void {
    const server = this.#fleet.servers[this.server]!;
    if (this.#stage === ARRIVING) {
      this.#stage = WORKED_ON;
      if (server.fails()) {
        this.#ok = false;
        this.#reply(server.failMs);
      } else server.take(this);
    } else if (this.#stage === WORKED_ON) {
      if (server.end(this)) this.done();
    } else this.#end(this.#ok ? 'ok' : 'error');
  }

  done(): void {
    this.#reply(0);
  }

  dropped(): void {}

  override expire(): void {
    this.#end('timeout');
  }

  #reply(afterMs: number): void {
    this.#stage = REPLYING;
    const { agenda } = this.#fleet;
    agenda.add(this, agenda.now() + afterMs + this.#fleet.oneWay());
  }

  #end(kind: 'ok' | 'error' | 'timeout'): void {
    if (this.#over) return;
    this.#over = true;
    this.cancel();
    const { agenda, tally, warmUpMs } = this.#fleet;
    if (kind !== 'timeout') this.#lease.answered(kind === 'ok' ? 200 : 500);
    this.#lease.end({ kind });
    if (this.#startedAt >= warmUpMs) tally.ended(this.#startedAt, agenda.now() - this.#startedAt, kind);
  }
}

/** Calls one after the other, the times between them exponentially distributed. */
class Arrivals implements Happening {
  at = 0;
  order = 0;
  readonly #agenda: Agenda;
  readonly #random: () => number;
  readonly #perSecond: number | ((now: number) => number);
  readonly #endMs: number;
  readonly #arrive: () => void;

  constructor(agenda: Agenda, random: () => number, perSecond: number | ((now: number) => number), endMs: number, arrive: () => void) {
    this.#agenda = agenda;
    this.#random = random;
    this.#perSecond = perSecond;
    this.#endMs = endMs;
    this.#arrive = arrive;
    agenda.add(this, 0);
  }

  happen(): void {
    this.#arrive();
    const now = this.#agenda.now();
    const perSecond = typeof this.#perSecond === 'number' ? this.#perSecond : this.#perSecond(now);
    const next = now - (Math.log(1 - this.#random()) * 1_000) / perSecond;
    if (next < this.#endMs) this.#agenda.add(this, next);
  }
}

class Clients {
  readonly #bounds: number[] | undefined;
  readonly #count: number;

  constructor(count: number, weightOf: ((client: number) => number) | undefined) {
    this.#count = count;
    if (weightOf === undefined) return;
    let sum = 0;
    this.#bounds = Array.from({ length: count }, (_, client) => (sum += weightOf(client)));
  }

  draw(random: () => number): number {
    if (this.#bounds === undefined) return Math.floor(random() * this.#count);
    const drawn = random() * this.#bounds.at(-1)!;
    return this.#bounds.findIndex((bound) => drawn < bound);
  }
}

const SERVICE = 'simulated';
/** Selectors of these experiments have neither filters nor routes, so that one call stands for all. */
const CALL = new Call({ side: 'client', operation: { service: SERVICE, name: 'GET /', method: 'GET', path: '/', idempotent: true } });

export function instanceOf(server: number): Instance {
  return { id: `s${server}`, service: SERVICE, host: `10.${server >> 16}.${(server >> 8) & 255}.${server & 255}`, port: 8080 };
}

/** The directory of one client. */
export class ListedServers implements SnapshotSource {
  #snapshot: Snapshot;
  readonly #listeners = new Set<(snapshot: Snapshot) => void>();

  constructor(instances: readonly Instance[]) {
    this.#snapshot = { service: SERVICE, state: 'bound', instances, revision: 1, stale: false };
  }

  get size(): number {
    return this.#snapshot.instances.length;
  }

  publish(instances: readonly Instance[]): void {
    this.#snapshot = { ...this.#snapshot, instances, revision: this.#snapshot.revision + 1 };
    for (const listener of this.#listeners) listener(this.#snapshot);
  }

  lookup(): Snapshot {
    return this.#snapshot;
  }

  subscribe(_service: string, listener: (snapshot: Snapshot) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
