import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { createSelector, ejector, leastPending, p2c, roundRobin } from '@ferrule/core';
import type { Instance, ServiceError } from '@ferrule/core';
import type { Balancer, Endpoint, HealthSource, Lease, Outcome, View } from '@ferrule/core/adapter';
import type { ManualClock } from '@ferrule/testing';
import { seededRandom } from '@ferrule/testing';
import { ScriptedDirectory, instance, outbound, pinned } from './selection-fixtures.js';

/**
 * Random lists of one or several priorities and zones, picks, tried-sets, results and pauses, against an oracle that keeps every result for ever, knows no index and no heap,
 * and works everything out again by scanning. Only what the rules say is shared: the numbers of the ejector's defaults.
 */
interface Known {
  instance: Instance;
  state: 'ready' | 'overloaded' | 'ejected' | 'half-open' | 'probing';
  until: number;
  inARow: number;
  results: { at: number; ok: boolean }[];
  era: object;
  /** The permit that was given out last. */
  permit: object;
  refused: boolean;
  doublings: number;
  returnedAt: number;
  waiting: number;
  open: number;
}

interface Running {
  lease: Lease;
  of: Known;
  era: object;
  permit: object | undefined;
  answered: boolean;
}

/** Those that are used alike, worked out anew each time. */
interface Part {
  priority: number;
  near: boolean | undefined;
  members: Known[];
  ready: Known[];
  pickable: Known[];
  share: number;
  panic: boolean;
}

class Oracle {
  known = new Map<string, Known>();
  /** Ids that somebody beside the registry calls unhealthy. */
  readonly unwell = new Set<string>();

  constructor(readonly zone: string | undefined) {}

  passing(one: Known): boolean {
    return one.instance.status !== 'fail' && !this.unwell.has(one.instance.id);
  }

  /** What somebody beside the registry says of it: of every second one that is well, nothing. */
  said({ id }: Instance): boolean | undefined {
    if (this.unwell.has(id)) return false;
    return Number(id.slice(1)) % 2 === 0 ? true : undefined;
  }

  /** Does what changes what others say of it. Who says that one works again which it called failing before ends its ejection. */
  change(one: Known, now: number, act: () => void): void {
    const { status } = one.instance;
    const passing = this.passing(one);
    act();
    if (passing || !this.passing(one) || !(this.said(one.instance) === true || status === 'fail')) return;
    if (one.state === 'ready' || one.state === 'overloaded') return;
    met.lifted++;
    one.state = 'ready';
    one.refused = false;
    one.returnedAt = now;
    one.era = {};
  }

  apply(list: readonly Instance[], now: number): void {
    const before = this.known;
    this.known = new Map();
    for (const one of list) {
      const key = `${one.id}@${one.port}`;
      const kept = before.get(key);
      if (kept !== undefined) this.change(kept, now, () => (kept.instance = one));
      this.known.set(
        key,
        kept ?? {
          instance: one,
          state: 'ready',
          until: 0,
          inARow: 0,
          results: [],
          era: {},
          permit: {},
          refused: false,
          doublings: 0,
          returnedAt: 0,
          waiting: 0,
          open: 0,
        },
      );
    }
  }

  pass(now: number): void {
    for (const one of this.known.values()) {
      if (one.until > now) continue;
      if (one.state === 'overloaded') one.state = 'ready';
      if (one.state === 'probing' || one.state === 'ejected') one.state = 'half-open';
    }
  }

  /** All with members, the first used first, by the rules of readiness, spill-over and panic. */
  parts(): Part[] {
    const members = [...this.known.values()].filter((one) => one.instance.weight !== 0);
    const parts: (Part & { size: number; listening: Known[] })[] = [];
    for (const priority of [...new Set(members.map((one) => one.instance.priority ?? 0))].sort((a, b) => a - b)) {
      const layer = members.filter((one) => (one.instance.priority ?? 0) === priority);
      for (const near of this.zone === undefined ? [undefined] : [true, false]) {
        const own = layer.filter((one) => near === undefined || (one.instance.zone === this.zone) === near);
        if (own.length === 0) continue;
        const even = near === true ? layer.length / new Set(layer.map((one) => one.instance.zone)).size : 0;
        const ready = own.filter((one) => one.state === 'ready' && this.passing(one));
        const listening = own.filter((one) => !one.refused);
        parts.push({ priority, near, members: own, ready, listening, size: Math.max(own.length, even), pickable: ready, share: 0, panic: false });
      }
    }
    const can = parts.map((one) => Math.min(1, (one.ready.length * 1.4) / one.size));
    const all = can.reduce((sum, one) => sum + one, 0);
    const listen = parts.reduce((sum, one) => sum + one.listening.length, 0);
    let before = 0;
    for (const [index, part] of parts.entries()) {
      if (all === 0) {
        part.share = listen > 0 ? part.listening.length / listen : part.members.length / members.length;
        part.panic = part.share > 0;
      } else {
        part.share = Math.max(0, Math.min(1, before + can[index]! / Math.min(1, all)) - before);
        if (part.share < 1e-9) part.share = 0;
        before += part.share;
        const enough = parts.length > 1 && all > 1 - 1e-9;
        part.panic =
          part.share > 0 && !enough && part.ready.length * 2 < Math.max(part.listening.length, part.size > part.members.length ? part.size : 0);
      }
      if (part.panic) part.pickable = part.listening.length > 0 ? part.listening : part.members;
    }
    return parts;
  }

  /** Those that may be picked. */
  pickable(): Known[] {
    return this.parts().flatMap((part) => (part.share > 0 ? part.pickable : []));
  }

  /** Those of whom one may be probed. */
  due(): Known[] {
    const parts = this.parts();
    const last = parts.some((part) => part.ready.length > 0) ? parts.findLastIndex((part) => part.share > 0) : parts.length - 1;
    for (const part of parts.slice(0, last + 1)) {
      const due = part.members.filter((one) => one.state === 'half-open' && this.passing(one));
      if (due.length > 0) return due;
    }
    return [];
  }

  ok(running: Running, now: number): void {
    const { of } = running;
    if (!this.#counts(running)) return;
    if (of.state === 'ready' || of.state === 'overloaded') {
      of.inARow = 0;
      this.#record(of, true, now);
      return;
    }
    if (running.permit !== undefined && (running.permit !== of.permit || of.state !== 'probing')) met.late++;
    of.state = 'ready';
    of.refused = false;
    of.returnedAt = now;
  }

  failed(running: Running, outcome: Outcome, now: number): void {
    const { of, permit } = running;
    if (!this.#counts(running)) return;
    const refused = outcome.kind === 'refused';
    const pauseMs = Math.min(outcome.retryAfterMs ?? 0, 30_000);
    if (of.state !== 'ready' && of.state !== 'overloaded') {
      if (of.state !== 'probing' || permit !== of.permit) return;
      if (pauseMs > 0) {
        of.state = 'ejected';
        of.until = now + pauseMs;
      } else {
        this.#eject(of, refused, now);
      }
      return;
    }
    this.#record(of, false, now);
    if (outcome.kind !== 'overload') of.inARow++;
    let all = 0;
    let good = 0;
    for (const { at, ok } of of.results) {
      const counts = Math.exp((at - now) / 10_000);
      all += counts;
      if (ok) good += counts;
    }
    if (of.inARow >= 5 || (all >= 20 && good / all < 0.8)) {
      const others = [...this.known.values()];
      const out = others.filter((one) => !['ready', 'overloaded'].includes(one.state));
      const listening = others.length - out.filter((one) => one.refused).length;
      const most = Math.max(Math.floor(listening / 2), listening > 1 ? 1 : 0);
      if (refused || out.filter((one) => !one.refused).length < most) {
        of.doublings = Math.max(0, of.doublings - Math.floor(Math.max(0, now - of.returnedAt) / 10_000));
        this.#eject(of, refused, now);
        return;
      }
    }
    if (pauseMs > 0) {
      of.until = of.state === 'overloaded' ? Math.max(of.until, now + pauseMs) : now + pauseMs;
      of.state = 'overloaded';
    }
  }

  cancelled(running: Running, now: number): void {
    if (!this.#counts(running) || running.permit !== running.of.permit || running.of.state !== 'probing') return;
    running.of.state = 'half-open';
    running.of.until = now;
  }

  /** A clock that was set back takes the results along, as old as they were. */
  #record({ results }: Known, ok: boolean, now: number): void {
    const back = (results.at(-1)?.at ?? now) - now;
    if (back > 0) for (const result of results) result.at -= back;
    results.push({ at: now, ok });
  }

  #counts({ of, era }: Running): boolean {
    return of.era === era && [...this.known.values()].includes(of);
  }

  #eject(one: Known, refused: boolean, now: number): void {
    one.state = 'ejected';
    const others = [...this.known.values()].some((other) => other !== one && (other.state === 'ready' || other.state === 'overloaded'));
    one.until = now + (others ? Math.min(5_000 * 2 ** one.doublings, 300_000) : 5_000);
    if (others && 5_000 * 2 ** one.doublings < 300_000) one.doublings++;
    one.refused = refused;
    one.era = {};
    one.inARow = 0;
    one.results = [];
  }
}

/** chai's `expect` costs ten times what the selector does, and this is asked a hundred thousand times. */
function ensure(holds: boolean, what: string): void {
  if (!holds) throw new Error(`It was to be: ${what}`);
}

type Command =
  | { readonly do: 'list'; readonly keep: number; readonly add: number; readonly change: number }
  | { readonly do: 'pick'; readonly times: number; readonly tried: number; readonly safe: boolean }
  | { readonly do: 'end'; readonly which: number; readonly times: number; readonly outcome: Outcome; readonly headers: boolean }
  | { readonly do: 'break'; readonly which: number; readonly outcome: Outcome }
  | { readonly do: 'health'; readonly which: number; readonly times: number; readonly out: boolean }
  | { readonly do: 'leak'; readonly again: boolean; readonly outcome: Outcome }
  | { readonly do: 'wait'; readonly ms: number };

const OUTCOMES: readonly Outcome[] = [
  { kind: 'ok', status: 200 },
  { kind: 'ok', status: 404 },
  { kind: 'error', status: 500 },
  { kind: 'error', status: 503 },
  { kind: 'transport' },
  { kind: 'refused' },
  { kind: 'timeout' },
  { kind: 'cancelled' },
  { kind: 'overload', status: 429, retryAfterMs: 1_500 },
  { kind: 'overload', status: 503, retryAfterMs: 90_000 },
  { kind: 'overload', status: 429 },
];

const commands = fc.array(
  fc.oneof(
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('list' as const),
        keep: fc.double({ min: 0, max: 1, noNaN: true }),
        add: fc.nat(6),
        change: fc.double({ min: 0, max: 0.6, noNaN: true }),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constant('pick' as const), times: fc.integer({ min: 1, max: 12 }), tried: fc.nat(4), safe: fc.boolean() }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('end' as const),
        which: fc.nat(),
        times: fc.integer({ min: 1, max: 8 }),
        outcome: fc.constantFrom(...OUTCOMES),
        headers: fc.boolean(),
      }),
    },
    // One endpoint that keeps failing, however it came to be chosen: without these, random results would hardly ever eject.
    { weight: 4, arbitrary: fc.record({ do: fc.constant('break' as const), which: fc.nat(), outcome: fc.constantFrom(...OUTCOMES.slice(2, 7)) }) },
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant('health' as const), which: fc.nat(), times: fc.integer({ min: 1, max: 2 }), out: fc.boolean() }),
    },
    // A probe that ends after its permit was given up, or given to another.
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('leak' as const), again: fc.boolean(), outcome: fc.constantFrom(OUTCOMES[0]!, ...OUTCOMES) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('wait' as const),
        ms: fc.oneof(fc.nat(50), fc.nat(7_000), fc.nat(400_000), fc.integer({ min: -20_000, max: -1 })),
      }),
    },
  ),
  { minLength: 5, maxLength: 60, size: 'max' },
);

/** Nothing here waits for timers, so that time may simply be set, back as well. */
function settableClock(): Pick<ManualClock, 'now' | 'wallTime' | 'schedule'> & { time: number } {
  const clock = { time: 0, now: () => clock.time, wallTime: () => clock.time, schedule: () => ({ cancel() {} }) };
  return clock;
}

/** What the runs have met, so that a test that never gets anywhere is noticed. */
const met = {
  ejected: 0,
  refused: 0,
  probes: 0,
  panics: 0,
  tried: 0,
  allTried: 0,
  triedStandby: 0,
  overloaded: 0,
  unwell: 0,
  lifted: 0,
  late: 0,
  setBack: 0,
  spilled: 0,
  standby: 0,
  smallZone: 0,
  picks: 0,
  largest: 0,
};

type Kind = 'p2c' | 'round robin' | 'one that keeps to an endpoint';
const KINDS: readonly Kind[] = ['p2c', 'round robin', 'one that keeps to an endpoint'];

/** Of how many priorities the instances are, and whether one of their three zones is preferred. */
interface Layers {
  readonly priorities: number;
  readonly zone: string | undefined;
}

const layers = fc.record({ priorities: fc.integer({ min: 1, max: 3 }), zone: fc.constantFrom(undefined, undefined, 'eu-1') });

function run(kind: Kind, size: number, { priorities, zone }: Layers, seed: number, script: readonly Command[]): void {
  const clock = settableClock();
  const random = seededRandom(seed);
  const directory = new ScriptedDirectory();
  // It makes ejections common where a list is so long that chance hardly ever picks an endpoint twice.
  const keeping = pinned('');
  const inner = kind === 'p2c' ? p2c({ load: leastPending(), random }) : kind === 'round robin' ? roundRobin({ random }) : keeping;
  // As `weighted()` does it: what a view holds is looked at again only when its version has moved.
  const seen = new WeakMap<View, { version: number; list: string }>();
  const balancer: Balancer = {
    ...inner,
    pick(view, call) {
      const list = view.endpoints.map(({ id, instance: { weight } }) => `${id} ${weight}`).join();
      const before = seen.get(view);
      if (before?.version === view.version) ensure(before.list === list, 'the same list for the same version');
      seen.set(view, { version: view.version, list });
      return inner.pick(view, call);
    },
  };
  const oracle = new Oracle(zone);
  const heard = new Set<(service: string, id: string) => void>();
  const health: HealthSource = {
    healthOf: (one) => oracle.said(one),
    onChange: (listener) => (heard.add(listener), () => void heard.delete(listener)),
  };
  const selector = createSelector({
    service: 'orders',
    directory,
    balancer,
    ejector: ejector({ jitter: 0, slowStart: 0 }),
    clock,
    random,
    health,
    ...(zone !== undefined && { zone }),
  });
  const ours = new Map<Endpoint, Known>();
  const running: Running[] = [];
  let made = 0;
  /** Who had a turn since the pickable ones of a part last changed: round robin may not come back to one before all had theirs. */
  const rotations = new Map<string, { key: string; seen: Known[] }>();

  const publish = (list: readonly Instance[]): void => {
    oracle.apply(list, clock.time);
    directory.publish(list);
  };
  const anyZone = (): string | undefined => [undefined, 'eu-1', 'eu-2'][Math.floor(random() * 3)];
  const anyPriority = (): number => Math.floor(random() * priorities);
  const fresh = (): Instance => {
    const own = anyZone();
    return instance(`n${made}`, { port: 10_000 + made++, priority: anyPriority(), ...(own !== undefined && { zone: own }) });
  };

  const pick = (triedCount: number, safe: boolean): Running | undefined => {
    oracle.pass(clock.time);
    const pickable = oracle.pickable();
    const due = oracle.due();
    const tried =
      triedCount === 0
        ? []
        : [...ours]
            .filter(([, known]) => pickable.includes(known) || (triedCount > 3 && [...oracle.known.values()].includes(known)))
            .slice(0, triedCount)
            .map(([endpoint]) => endpoint);
    const call = outbound({ method: safe ? 'GET' : 'POST', tried, attempt: tried.length > 0 ? 2 : 1 });
    let lease: Lease;
    try {
      lease = selector.select(call) as Lease;
    } catch (error) {
      expect((error as ServiceError).reason).to.equal('NO_ENDPOINT');
      expect(pickable).to.have.length(0);
      return undefined;
    }
    met.picks++;
    const { endpoint } = lease;
    const known = oracle.known.get(`${endpoint.id}@${endpoint.instance.port}`)!;
    ensure(known !== undefined, 'an endpoint of the list');
    ensure((ours.get(endpoint) ?? known) === known, 'one endpoint for one instance');
    ensure(endpoint.instance === known.instance, 'the instance as it was published last');
    ours.set(endpoint, known);

    const mayProbe = tried.length === 0 && due.some((one) => safe || clock.time - one.until >= 1_000);
    const probe = mayProbe && due.includes(known);
    if (mayProbe && safe) ensure(probe, 'a safe first attempt probes who is due');
    if (probe) {
      met.probes++;
      known.state = 'probing';
      known.until = clock.time + 5_500;
      known.permit = {};
    } else {
      checkChoice(known, pickable, tried);
    }
    known.waiting++;
    known.open++;
    const started: Running = { lease, of: known, era: known.era, permit: probe ? known.permit : undefined, answered: false };
    running.push(started);
    return started;
  };

  const checkChoice = (known: Known, pickable: readonly Known[], tried: readonly Endpoint[]): void => {
    const part = oracle.parts().find((one) => one.members.includes(known))!;
    if (tried.length > 0) {
      met.tried++;
      const triedKnown = tried.map((endpoint) => ours.get(endpoint)!);
      const untried = pickable.filter((one) => !triedKnown.includes(one));
      const standby = oracle.parts().flatMap((one) => (one.share > 0 ? [] : one.pickable.filter((other) => !triedKnown.includes(other))));
      if (untried.length > 0) ensure(untried.includes(known), 'an untried one');
      else if (standby.length > 0) ensure(standby.includes(known), 'one that stands by and was not tried');
      else met.allTried++;
      if (untried.length === 0 && standby.length > 0) met.triedStandby++;
      rotations.clear();
      return;
    }
    ensure(pickable.includes(known), 'one that may be picked');
    if (kind === 'p2c' && part.pickable.length > 1) {
      const others = part.pickable.filter((one) => one !== known);
      ensure(
        others.some((one) => one.waiting >= known.waiting),
        'not the one most loaded of all',
      );
    }
    if (kind === 'round robin') {
      follow();
      const rotation = rotations.get(nameOf(part))!;
      if (rotation.seen.length === part.pickable.length) rotation.seen = [];
      ensure(!rotation.seen.includes(known), 'a turn for each before the next round');
      rotation.seen.push(known);
    }
  };

  const nameOf = ({ priority, near }: Part): string => `${priority} ${near}`;

  const follow = (): void => {
    for (const part of oracle.parts()) {
      const key = `${part.panic} ${part.pickable.map((one) => one.instance.id).join()}`;
      if (key !== rotations.get(nameOf(part))?.key) rotations.set(nameOf(part), { key, seen: [] });
    }
  };

  const end = (one: Running, outcome: Outcome, headers: boolean): void => {
    running.splice(running.indexOf(one), 1);
    oracle.pass(clock.time);
    selector.endpoints();
    const { of } = one;
    of.waiting--;
    of.open--;
    const works = outcome.kind === 'ok';
    if (headers && (works || outcome.kind === 'error')) {
      one.lease.answered(outcome.status!);
      if (works) oracle.ok(one, clock.time);
    }
    one.lease.end(outcome);
    one.lease.end({ kind: 'refused' });
    if (outcome.kind === 'cancelled') {
      oracle.cancelled(one, clock.time);
    } else if (!works) {
      oracle.failed(one, outcome, clock.time);
    } else if (!headers) {
      oracle.ok(one, clock.time);
    }
    follow();
    if (of.state === 'ejected') met.ejected++;
    if (of.refused) met.refused++;
    if (of.state === 'overloaded') met.overloaded++;
  };

  publish(Array.from({ length: size }, fresh));
  met.largest = Math.max(met.largest, size);
  const first = pick(0, true); // it begins to watch with the first one
  if (first !== undefined) end(first, { kind: 'cancelled' }, false);
  for (const command of script) {
    if (command.do === 'wait') clock.time += command.ms;
    if (command.do === 'wait' && command.ms < 0) met.setBack++;
    if (command.do === 'list') {
      const kept = [...oracle.known.values()].map((one) => one.instance).filter(() => random() < command.keep);
      const changed = kept.map((one) => {
        if (random() >= command.change) return one;
        const draw = random();
        if (draw < 0.2) return { ...one, weight: one.weight === 0 ? 1 : 0 };
        if (draw < 0.4) return { ...one, status: one.status === 'fail' ? ('pass' as const) : ('fail' as const) };
        if (draw < 0.5) return { ...one, priority: anyPriority() };
        if (draw < 0.6) return { ...one, zone: anyZone() ?? 'eu-3' };
        return draw < 0.8 ? { ...one, port: 10_000 + made++ } : { ...one, metadata: { build: String(made++) } };
      });
      publish([...changed, ...Array.from({ length: command.add }, fresh)]);
    }
    if (command.do === 'health' && oracle.known.size > 0) {
      const all = [...oracle.known.values()];
      const out = command.out ? all.filter(({ state }) => state !== 'ready') : [];
      const from = out.length > 0 ? out : all;
      const one = from[command.which % from.length]!;
      const { id } = one.instance;
      for (let time = 0; time < command.times; time++) {
        oracle.change(one, clock.time, () => oracle.unwell.delete(id) || oracle.unwell.add(id));
        for (const listener of heard) listener('orders', id);
        follow();
      }
    }
    if (command.do === 'leak') {
      if (![...oracle.known.values()].some(({ state }) => state === 'probing')) {
        clock.time += 6_000;
        pick(0, true);
      }
      const probe = running.find(({ permit, of }) => permit !== undefined && (of.state === 'probing' || of.state === 'half-open'));
      if (probe !== undefined) {
        clock.time += 6_000;
        if (command.again) pick(0, true);
        end(probe, command.outcome, false);
      }
    }
    if (command.do === 'pick') for (let time = 0; time < command.times; time++) pick(command.tried, command.safe);
    if (command.do === 'end') {
      for (let time = 0; time < command.times && running.length > 0; time++)
        end(running[(command.which + time) % running.length]!, command.outcome, command.headers);
    }
    if (command.do === 'break' && oracle.known.size > 0) {
      const victim = [...oracle.known.values()][command.which % oracle.known.size]!;
      keeping.target = victim.instance.id;
      for (let time = 0; time < 12; time++) {
        const one = pick(0, false);
        if (one !== undefined) end(one, one.of === victim ? command.outcome : OUTCOMES[0]!, false);
      }
      for (const one of running.filter(({ of }) => of === victim)) end(one, command.outcome, false);
    }
    check();
  }
  for (const one of [...running]) end(one, OUTCOMES[0]!, false);
  check();

  function check(): void {
    oracle.pass(clock.time);
    follow();
    const parts = oracle.parts();
    if (parts.some((part) => part.panic)) met.panics++;
    if (oracle.unwell.size > 0) met.unwell++;
    if (parts.filter((part) => part.share > 0).length > 1) met.spilled++;
    if (parts.some((part) => part.share === 0)) met.standby++;
    if (parts.some((part) => part.near === true && part.ready.length === part.members.length && part.share > 0 && part.share < 1)) met.smallZone++;
    const shown = (priority: number, near: boolean | undefined, count: number, ready: number, share: number, panic: boolean): string =>
      `${priority} ${near} ${count} ${ready} ${share.toFixed(6)} ${panic}`;
    const shares = parts.map((part) => shown(part.priority, part.near, part.members.length, part.ready.length, part.share, part.panic));
    const told = selector.levels().map((level) => shown(level.priority, level.near, level.instances, level.ready, level.share, level.panic));
    if (told.join() !== shares.join()) expect(told).to.deep.equal(shares);
    const expected = [...oracle.known.values()]
      .map((one) => `${one.instance.id} ${one.waiting} ${one.open} ${oracle.passing(one) ? one.state : 'failing'}`)
      .sort();
    const actual = selector
      .endpoints()
      .map(({ id, waiting, open, state }) => `${id} ${waiting} ${open} ${state}`)
      .sort();
    if (actual.join() !== expected.join()) expect(actual).to.deep.equal(expected);
  }
}

describe('selection against a brute-force oracle', function () {
  this.timeout(60_000);

  for (const kind of KINDS) {
    it(`${kind}: only who may be picked is picked, states and counts are exact, up to 12 endpoints`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 12 }), layers, fc.integer(), commands, (size, layer, seed, script) =>
          run(kind, size, layer, seed, script),
        ),
        { numRuns: 300 },
      );
    });

    it(`${kind}: the same with up to 5,000 endpoints`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 2_000 }), layers, fc.integer(), commands, (fewer, layer, seed, script) =>
          run(kind, 5_000 - fewer, layer, seed, script),
        ),
        { numRuns: 5 },
      );
    });
  }

  it('has met everything that it is about', () => {
    for (const [what, times] of Object.entries(met)) expect(times, what).to.be.above(what === 'largest' ? 4_900 : 100);
  });
});
