import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { ServiceError } from '@ferrule/core';
import type { Call, CircuitBreakerOptions, CircuitState } from '@ferrule/core';
import { away, callWith, gone, rig } from './circuit-breaker-fixture.js';
import type { End, Rig } from './circuit-breaker-fixture.js';

/** What of the options the model has to know; all times in ms. */
interface Shape {
  readonly window: number | { readonly calls: number };
  readonly minimumCalls: number;
  readonly consecutive: number;
  readonly slowMs: number;
  readonly trials: number;
  readonly successes: number;
  readonly linear: boolean;
}

const OPEN_MS = 2000;
const MAX_OPEN_MS = 6000;
const STEP_MS = 1500;
const TRIAL_MS = 3000;

function optionsOf({ window, minimumCalls, consecutive, slowMs, trials, successes, linear }: Shape): CircuitBreakerOptions {
  return {
    window,
    minimumCalls,
    openFor: OPEN_MS,
    maxOpenFor: MAX_OPEN_MS,
    trialTimeout: TRIAL_MS,
    trials,
    successThreshold: { calls: successes },
    ...(consecutive !== Infinity && { consecutive }),
    ...(slowMs !== Infinity && { slowCall: slowMs, slowThreshold: 0.75 }),
    ...(linear && { recovery: { kind: 'linear', step: STEP_MS } }),
  };
}

interface Ticket {
  readonly generation: number;
  readonly beganAt: number;
  readonly isTrial: boolean;
  until: number;
  call: Call;
}

interface Recorded {
  readonly bucket: number;
  readonly failed: boolean;
  readonly slow: boolean;
}

/** The breaker, written for the reader: every result kept, every question answered by a search. */
class Model {
  state: CircuitState = 'closed';
  generation = 0;
  results: Recorded[] = [];
  streak = 0;
  openedInARow = 0;
  openMs = 0;
  openUntil = 0;
  trials: Ticket[] = [];
  trialResults: boolean[] = [];
  rejected = 0;
  succeeded = 0;
  failed = 0;
  slow = 0;
  ignored = 0;
  transitions = 0;
  #lastBucket = -Infinity;
  #shift = 0;

  constructor(readonly shape: Shape) {}

  start(call: Call, now: number): Ticket | undefined {
    const ticket: Ticket = { generation: this.generation, beganAt: now, isTrial: false, until: Infinity, call };
    if (this.state === 'closed') return ticket;
    if (this.state === 'disabled') return { ...ticket, generation: -1 };
    if (this.state === 'open') {
      this.openUntil = Math.min(this.openUntil, now + this.openMs);
      if (now >= this.openUntil) this.become('half-open');
    }
    if (this.state === 'half-open') {
      for (const trial of [...this.trials]) {
        trial.until = Math.min(trial.until, now + TRIAL_MS);
        if (trial.until > now || !this.trials.includes(trial)) continue;
        this.trials = this.trials.filter((other) => other !== trial);
        if (!trial.call.aborted || (trial.call.reason as ServiceError).code === 'DEADLINE_EXCEEDED') this.trialResult(false, now);
      }
    }
    if (this.state === 'half-open' && this.trials.length + this.trialResults.length < this.shape.trials) {
      const until = Math.min(now + TRIAL_MS, Math.max(call.deadline ?? Infinity, now + 1));
      const trial = { ...ticket, generation: this.generation, isTrial: true, until };
      this.trials.push(trial);
      return trial;
    }
    this.rejected++;
    return undefined;
  }

  settle(ticket: Ticket, result: 'ok' | 'fails' | 'client-error' | 'cancelled', now: number): void {
    const { call, generation, isTrial, beganAt } = ticket;
    const timedOut = call.aborted && (call.reason as ServiceError).code === 'DEADLINE_EXCEEDED';
    const holdsPermit = this.trials.includes(ticket);
    this.trials = this.trials.filter((trial) => trial !== ticket);
    if (result !== 'ok' && (call.aborted ? !timedOut : result === 'cancelled')) return void this.ignored++;
    const failed = result !== 'ok' && (timedOut || result === 'fails');
    const slow = Math.max(0, now - beganAt) >= this.shape.slowMs;
    if (failed) this.failed++;
    else this.succeeded++;
    if (slow) this.slow++;
    if (isTrial) {
      if (holdsPermit) this.trialResult(!failed && !slow, now);
    } else if (generation === this.generation) {
      this.results.push({ bucket: this.bucket(now), failed, slow });
      this.streak = failed ? this.streak + 1 : 0;
      const recent = this.recent(now);
      const enough = recent.length >= this.shape.minimumCalls;
      const isFailing = enough && recent.filter((one) => one.failed).length / recent.length >= 0.5;
      const isSlow = enough && recent.filter((one) => one.slow).length / recent.length >= 0.75;
      if (this.streak >= this.shape.consecutive || isFailing || isSlow) this.trip(now);
    }
  }

  trialResult(good: boolean, now: number): void {
    if (this.state !== 'half-open') return;
    this.trialResults.push(good);
    const goods = this.trialResults.filter(Boolean).length;
    if (this.trialResults.length - goods > this.shape.trials - this.shape.successes) this.trip(now);
    else if (goods === this.shape.successes) this.heal('closed');
  }

  trip(now: number): void {
    const grown = this.shape.linear ? OPEN_MS + STEP_MS * this.openedInARow : OPEN_MS * 2 ** this.openedInARow;
    this.openMs = Math.min(grown, MAX_OPEN_MS);
    this.openedInARow++;
    this.openUntil = now + this.openMs;
    this.become('open');
  }

  heal(state: CircuitState): void {
    this.results = [];
    this.streak = 0;
    this.openedInARow = 0;
    this.become(state);
  }

  become(state: CircuitState): void {
    if (this.state !== state) this.transitions++;
    this.state = state;
    this.generation++;
    this.trials = [];
    this.trialResults = [];
  }

  recent(now: number): readonly Recorded[] {
    const { window } = this.shape;
    if (typeof window === 'object') return this.results.slice(-window.calls);
    const bucket = this.bucket(now);
    return this.results.filter((one) => one.bucket > bucket - 10);
  }

  /** Buckets on a scale that never goes back: when the clock does, it goes on from the one that it was in. */
  bucket(now: number): number {
    const { window } = this.shape;
    const bucket = Math.floor(now / (typeof window === 'object' ? 1000 : window / 10));
    if (bucket < this.#lastBucket) this.#shift += this.#lastBucket - bucket;
    this.#lastBucket = bucket;
    return bucket + this.#shift;
  }
}

interface Both {
  readonly real: Rig;
  readonly running: { readonly end: End; readonly ticket: Ticket; readonly call: Call }[];
}

const shapes: fc.Arbitrary<Shape> = fc
  .record({
    window: fc.constantFrom(10_000, { calls: 6 }, { calls: 1 }, 1000),
    minimumCalls: fc.constantFrom(1, 4, 6),
    consecutive: fc.constantFrom(Infinity, 3),
    slowMs: fc.constantFrom(Infinity, 800),
    trials: fc.integer({ min: 1, max: 4 }),
    successes: fc.integer({ min: 1, max: 4 }),
    linear: fc.boolean(),
  })
  .map((shape) => ({
    ...shape,
    minimumCalls: typeof shape.window === 'object' ? Math.min(shape.minimumCalls, shape.window.calls) : shape.minimumCalls,
    successes: Math.min(shape.successes, shape.trials),
  }));

const visited = new Set<string>();

/** A step that does the same to both, and then asks both how they stand. */
abstract class Step implements fc.AsyncCommand<Model, Both> {
  check(): boolean {
    return true;
  }

  async run(model: Model, both: Both): Promise<void> {
    await this.both(model, both);
    const { clock, breaker } = both.real;
    const recent = model.recent(clock.ms);
    const expected = {
      state: model.state,
      succeeded: model.succeeded,
      failed: model.failed,
      ignored: model.ignored,
      rejected: model.rejected,
      transitions: model.transitions,
      windowCalls: recent.length,
      failureRate: recent.length === 0 ? 0 : recent.filter((one) => one.failed).length / recent.length,
      slowRate: recent.length === 0 ? 0 : recent.filter((one) => one.slow).length / recent.length,
      trials: model.trials.filter((trial) => trial.until > clock.ms).length,
    };
    const stats = breaker.stats();
    expect(stats).to.include(model.shape.slowMs === Infinity ? expected : { ...expected, slow: model.slow });
    expect(stats.trials, 'permits').to.be.at.most(model.shape.trials);
    expect(breaker.state).to.equal(model.state);
    visited.add(model.state);
  }

  abstract both(model: Model, both: Both): Promise<void> | void;
  abstract toString(): string;
}

class Start extends Step {
  constructor(readonly timeMs: number | undefined) {
    super();
  }

  async both(model: Model, { real, running }: Both): Promise<void> {
    const call = callWith(this.timeMs === undefined ? undefined : real.clock.ms + this.timeMs);
    const ticket = model.start(call, real.clock.ms);
    const end = await real.start(call);
    expect(end !== undefined, 'is let through').to.equal(ticket !== undefined);
    if (end !== undefined && ticket !== undefined) running.push({ end, ticket, call });
  }

  toString = (): string => `start(${this.timeMs ?? ''})`;
}

const RESULTS = { ok: 'ok', fails: away, 'client-error': new ServiceError('NOT_FOUND', 'none'), cancelled: gone } as const;

class Settle extends Step {
  constructor(
    readonly which: number,
    readonly result: keyof typeof RESULTS,
  ) {
    super();
  }

  async both(model: Model, { real, running }: Both): Promise<void> {
    if (running.length === 0) return;
    const [{ end, ticket }] = running.splice(this.which % running.length, 1) as [Both['running'][number]];
    model.settle(ticket, this.result, real.clock.ms);
    await end(RESULTS[this.result]);
  }

  toString = (): string => `settle(${this.which}, ${this.result})`;
}

class Abort extends Step {
  constructor(
    readonly which: number,
    readonly isTimeout: boolean,
  ) {
    super();
  }

  both(_model: Model, { running }: Both): void {
    if (running.length === 0) return;
    const { call } = running[this.which % running.length]!;
    call.abort(new ServiceError(this.isTimeout ? 'DEADLINE_EXCEEDED' : 'CANCELLED', 'over'));
  }

  toString = (): string => `abort(${this.which}, ${this.isTimeout ? 'timeout' : 'cancelled'})`;
}

class Pass extends Step {
  constructor(readonly ms: number) {
    super();
  }

  both(_model: Model, { real }: Both): void {
    real.clock.ms += this.ms;
  }

  toString = (): string => `pass(${this.ms})`;
}

class Manual extends Step {
  constructor(readonly what: 'open' | 'close' | 'disable' | 'reset') {
    super();
  }

  both(model: Model, { real }: Both): void {
    real.breaker[this.what]();
    if (this.what === 'open') model.become('forced-open');
    else if (this.what === 'disable') model.become('disabled');
    else model.heal('closed');
  }

  toString = (): string => `${this.what}()`;
}

const steps = [
  fc.option(fc.integer({ min: 1, max: 5000 }), { nil: undefined }).map((ms) => new Start(ms)),
  fc.constant(new Start(undefined)),
  fc.constant(new Start(undefined)),
  fc.tuple(fc.nat(20), fc.constantFrom('ok', 'ok', 'fails', 'fails', 'fails', 'client-error', 'cancelled')).map((of) => new Settle(...of)),
  fc.tuple(fc.nat(20), fc.constantFrom('ok', 'ok', 'fails', 'fails', 'fails', 'client-error', 'cancelled')).map((of) => new Settle(...of)),
  fc.tuple(fc.nat(20), fc.constantFrom('ok', 'ok', 'fails', 'fails', 'fails', 'client-error', 'cancelled')).map((of) => new Settle(...of)),
  fc.tuple(fc.nat(20), fc.boolean()).map((of) => new Abort(...of)),
  fc.integer({ min: 1, max: 2500 }).map((ms) => new Pass(ms)),
  fc.integer({ min: 1, max: 2500 }).map((ms) => new Pass(ms)),
  fc.constantFrom(-1, -900, -4000, -100_000, 100_000).map((ms) => new Pass(ms)),
  fc.constantFrom('open', 'close', 'disable', 'reset', 'close').map((what) => new Manual(what)),
] as const;

describe('circuitBreaker, against a model that keeps every result', () => {
  it('agrees under any order of starts, results, aborts, time that jumps and controls; and no permit leaks', async () => {
    visited.clear();
    await fc.assert(
      fc.asyncProperty(shapes, fc.commands([...steps], { maxCommands: 150, size: 'max' }), async (shape, commands) => {
        const real = rig(optionsOf(shape));
        const running: Both['running'] = [];
        await fc.asyncModelRun(() => ({ model: new Model(shape), real: { real, running } }), commands);
        const { state } = real.breaker;
        if (state === 'forced-open' || state === 'disabled') return;
        // Whatever happened: when everything works from now on, it closes, and the results of what is still on its way change nothing.
        for (let round = 0; round < 3; round++) {
          real.clock.ms += MAX_OPEN_MS + TRIAL_MS;
          await real.calls(shape.trials, 'ok');
        }
        expect(real.breaker.state).to.equal('closed');
        if (state === 'closed') return;
        for (const { end } of running) await end('fails');
        expect(real.breaker.state).to.equal('closed');
      }),
      { numRuns: 400, seed: 5 },
    );
    expect([...visited].sort(), 'the property went through all states').to.deep.equal(['closed', 'disabled', 'forced-open', 'half-open', 'open']);
  });

  it('lets no more trials through than it has permits when 1,000 come at the moment of half-open, whatever becomes of them', async () => {
    const outcome = fc.constantFrom('ok' as const, 'fails' as const, gone);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.array(outcome, { minLength: 20, maxLength: 20 }), async (trials, outcomes) => {
        const { clock, calls, start, breaker } = rig({ trials, consecutive: 1, openFor: OPEN_MS });
        await calls(1, 'fails');
        clock.ms = OPEN_MS;
        let running: End[] = [];
        for (const result of outcomes) {
          const callers = await Promise.all(Array.from({ length: breaker.state === 'closed' ? 0 : 1000 }, () => start()));
          running.push(...callers.filter((end) => end !== undefined));
          if (breaker.state === 'closed' || running.length === 0) break;
          expect(running.length).to.be.at.most(trials);
          const [end, ...others] = running as [End, ...End[]];
          await end(result);
          running = others;
        }
      }),
      { numRuns: 20, seed: 5 },
    );
  });
});
