import { tellSinks } from '../../alerts/alert.js';
import { abortableOf, sleep } from '../../time/sleep.js';
import type { Timer } from '../../time/clock.js';
import { BoundedRuns } from '../bounded-run.js';
import type { Check } from '../check.js';
import { degradationSettings } from './options.js';
import type { DegradationMode, DegradationOptions } from './options.js';
import { RulesInForce } from './rules-in-force.js';
import type { DegradationRuleSettings } from './rules-in-force.js';
import { History } from '../history.js';

/** Something happened. `rule` and `step` name what it happened to. */
export interface DegradationEvent {
  readonly kind: 'mode' | 'degraded' | 'rolled-back' | 'rule-failed' | 'rollback-failed' | 'source-failed' | 'recovery-failed';
  readonly mode: DegradationMode;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** Of `mode`. */
  readonly from?: DegradationMode;
  readonly rule?: string;
  readonly step?: string;
  readonly error?: unknown;
}

/** Gives things up while the service is in trouble, and takes them back afterwards. */
export interface Degradation extends AsyncDisposable {
  readonly mode: DegradationMode;
  /** The names of the rules that are in force, the highest priority first. */
  readonly active: readonly string[];
  /** `warn` with the mode as its output while something is given up; never `fail`, and never of the group `live`. For a Monitor. */
  readonly check: Check;
  /** The newest events, the oldest first. */
  readonly history: readonly DegradationEvent[];
  /** Hears of every event. What it throws is dropped. The returned function ends that. */
  on(listener: (event: DegradationEvent) => void): () => void;
  /** Begins with the first pass at once. Idempotent. @throws Error once it was stopped. */
  start(): void;
  /** One pass now, or the one that is under way: never two at once. Never rejects. */
  evaluate(): Promise<void>;
  /** Ends it, aborting what runs; what is given up stays given up. Idempotent. */
  stop(): Promise<void>;
}

const RANK: Readonly<Record<DegradationMode, number>> = { normal: 0, partial: 1, full: 2 };
const PARTIAL_PRIORITY = 10;
const LONGEST_RETRY_MS = 60_000;

/**
 * Every `interval` the sources are asked; the worst answer is what should be. After `enterAfter` such passes the rules degrade, by priority; after
 * `leaveAfter` passes of a milder answer they are taken back: those that partial mode does not have, or, when all is well, all of them in reverse
 * order and then the steps of the rollback plan. A recovery that fails is retried with backoff; failing altogether it leaves the service degraded,
 * alerts, and is begun again after another `leaveAfter` passes. A rule that fails or runs out of time is rolled back and harms no other.
 * @throws TypeError when an option makes no sense.
 */
export function degradation(options: DegradationOptions): Degradation {
  const settings = degradationSettings(options);
  const { name, sources, steps, clock, logger } = settings;
  const runs = new BoundedRuns(clock);
  const events = new History<DegradationEvent>(settings.history);
  const listeners = new Set<(event: DegradationEvent) => void>();
  const changed = new Set<() => void>();
  const answers: DegradationMode[] = sources.map(() => 'normal');
  const stopping = new AbortController();
  let mode: DegradationMode = 'normal';
  let streak = 0;
  let asked: DegradationMode = 'normal';
  let recoveryFailed = false;
  let started = false;
  let timer: Timer | undefined;
  let pass: Promise<void> | undefined;

  const tell = (event: Omit<DegradationEvent, 'at' | 'mode'>): void => {
    const whole: DegradationEvent = { ...event, mode, at: clock.wallTime() };
    events.add(whole);
    for (const listener of [...listeners]) {
      try {
        listener(whole);
      } catch {
        // The others hear of it all the same.
      }
    }
  };
  const rules = new RulesInForce({ rules: settings.rules, runs, stopping: stopping.signal, tell, pass: () => pass });
  const alert = (kind: 'raised' | 'resolved', subject: string, message: string): void =>
    tellSinks(
      settings.sinks,
      { source: 'degradation', kind, subject, message, at: clock.wallTime(), details: { mode, active: rules.names } },
      (error) => logger?.warn({ error, subject }, 'an alert was not told'),
    );

  const moveTo = (next: DegradationMode): void => {
    if (next === mode) return;
    const from = mode;
    mode = next;
    streak = 0;
    tell({ kind: 'mode', from });
    for (const listener of [...changed]) listener();
    if (next === 'normal') {
      alert('resolved', name, `${name}: back to normal`);
      if (recoveryFailed) alert('resolved', `${name} recovery`, `${name}: the recovery has succeeded`);
      recoveryFailed = false;
    } else alert('raised', name, `${name}: ${next} mode`);
  };

  const ask = async (): Promise<DegradationMode> => {
    await Promise.all(
      sources.map(async (source, index) => {
        try {
          const answer = await runs.run(`source ${index}`, settings.sourceTimeoutMs, source);
          if (!Object.hasOwn(RANK, answer)) throw new TypeError(`degradation sources[${index}]: ${String(answer)} is none of normal, partial, full.`);
          answers[index] = answer;
        } catch (error) {
          if (!stopping.signal.aborted) tell({ kind: 'source-failed', error });
        }
      }),
    );
    return answers.reduce((worst, answer) => (RANK[answer] > RANK[worst] ? answer : worst), 'normal');
  };

  /** What should be, once it was asked for often enough. */
  const decided = (wanted: DegradationMode): DegradationMode => {
    if (wanted === mode) {
      streak = 0;
      return mode;
    }
    const isWorse = RANK[wanted] > RANK[mode];
    const wasWorse = RANK[asked] > RANK[mode];
    streak = asked !== mode && isWorse === wasWorse ? streak + 1 : 1;
    return streak >= (isWorse ? settings.enterAfter : settings.leaveAfter) ? wanted : mode;
  };

  const isWanted = ({ priority }: DegradationRuleSettings): boolean => mode === 'full' || priority >= PARTIAL_PRIORITY;
  const recover = async (): Promise<boolean> => {
    let validated = 0;
    for (let attempt = 0; ; attempt++) {
      let isWell = await rules.takeBack();
      while (isWell && validated < steps.length && !stopping.signal.aborted) {
        const step = steps[validated]!;
        try {
          await runs.run(`step ${step.name}`, step.timeoutMs, step.execute);
          if (step.validate && (await runs.run(`validation of ${step.name}`, step.timeoutMs, step.validate)) === false)
            throw new Error(`${step.name}: not validated`);
          validated++;
        } catch (error) {
          isWell = false;
          tell({ kind: 'rollback-failed', step: step.name, error });
        }
      }
      if (stopping.signal.aborted) return false;
      if (isWell) return true;
      if (attempt >= settings.maxRetries) return false;
      await sleep(Math.min(settings.retryMs * 2 ** attempt, LONGEST_RETRY_MS), abortableOf(stopping.signal), clock).catch(() => undefined);
    }
  };

  const onePass = async (): Promise<void> => {
    await rules.settled();
    const wanted = await ask();
    if (stopping.signal.aborted) return;
    const target = decided(wanted);
    asked = wanted;
    if (target !== 'normal') {
      moveTo(target);
      await rules.apply(isWanted);
    } else if (mode !== 'normal') {
      if (await recover()) moveTo('normal');
      else if (!stopping.signal.aborted) {
        streak = 0;
        tell({ kind: 'recovery-failed' });
        if (!recoveryFailed) alert('raised', `${name} recovery`, `${name}: the recovery has failed, ${mode} mode stays`);
        recoveryFailed = true;
      }
    } else await rules.takeBack();
  };

  const evaluate = (): Promise<void> => {
    if (stopping.signal.aborted) return pass ?? Promise.resolve();
    return (pass ??= onePass().finally(() => {
      pass = undefined;
    }));
  };
  const turn = (): void => {
    void evaluate().then(() => {
      if (!stopping.signal.aborted) timer = clock.schedule(settings.intervalMs, turn);
    });
  };
  const stop = async (): Promise<void> => {
    if (!stopping.signal.aborted) {
      stopping.abort();
      timer?.cancel();
      runs.stop();
    }
    await pass;
  };

  return {
    get mode() {
      return mode;
    },
    get active() {
      return rules.names;
    },
    check: {
      name,
      critical: false,
      cacheFor: 0,
      run: () => (mode === 'normal' ? { status: 'pass' } : { status: 'warn', output: `${mode} mode` }),
      onChange(listener) {
        changed.add(listener);
        return () => void changed.delete(listener);
      },
    },
    get history() {
      return events.list();
    },
    on(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    start() {
      if (stopping.signal.aborted) throw new Error(`${name}: it was stopped. Make another one.`);
      if (started) return;
      started = true;
      turn();
    },
    evaluate,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
