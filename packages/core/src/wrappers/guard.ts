import type { Attempt, AttemptChange } from '../call/call.js';
import { begin, runInto } from '../call/call.js';
import { currentCall } from '../call/context.js';
import { Life } from '../call/life.js';
import type { End } from '../call/life.js';
import { checkOptions } from './options.js';
import { compose } from './wrapper.js';
import type { Wrapper } from './wrapper.js';

/** What guards a function with a result of `R`: every Policy, and a fallback whose value is one. */
export type Guard<R> = <C extends Attempt>(next: (attempt: C) => Promise<R>) => (attempt: C) => Promise<R>;

export interface GuardOptions {
  /** For messages, metrics and spans. Default: the function's name. */
  readonly label?: string;
  /** Whether doing it again is harmless, so that `retry` may. Default true, since a retry around a function says so; give false for what must not happen twice. */
  readonly idempotent?: boolean;
}

/**
 * The same function, guarded; the first policy is the outermost, as in `compose`. Each call makes its own attempts, shared are
 * the policies' states. Inside of a request, the request's deadline and its cancellation hold for the function too (`detached` opts out).
 *
 * @example const findUser = guard(db.findUser, timeout('500ms'), retry(), circuitBreaker());
 * @throws TypeError when `fn` or a policy is no function
 */
export function guard<A extends unknown[], R>(
  fn: (...args: A) => R | Promise<R>,
  ...policies: readonly Guard<NoInfer<R>>[]
): (...args: A) => Promise<R>;
export function guard<A extends unknown[], R>(
  options: GuardOptions,
  fn: (...args: A) => R | Promise<R>,
  ...policies: readonly Guard<NoInfer<R>>[]
): (...args: A) => Promise<R>;
export function guard(...parts: readonly unknown[]): (...args: unknown[]) => Promise<unknown> {
  const { options, fn, policies } = partsOf<(...args: unknown[]) => unknown>('guard', parts);
  return guarded(options, (work) => fn(...work.args), policies);
}

/** As `guard`, for a function that wants to know its attempt: the signal to hand down, the deadline, the number of the try. It comes first. */
export function guardAttempt<A extends unknown[], R>(
  fn: (attempt: Attempt, ...args: A) => R | Promise<R>,
  ...policies: readonly Guard<NoInfer<R>>[]
): (...args: A) => Promise<R>;
export function guardAttempt<A extends unknown[], R>(
  options: GuardOptions,
  fn: (attempt: Attempt, ...args: A) => R | Promise<R>,
  ...policies: readonly Guard<NoInfer<R>>[]
): (...args: A) => Promise<R>;
export function guardAttempt(...parts: readonly unknown[]): (...args: unknown[]) => Promise<unknown> {
  const { options, fn, policies } = partsOf<(attempt: Attempt, ...args: unknown[]) => unknown>('guardAttempt', parts);
  return guarded(options, (work) => fn(work, ...work.args), policies);
}

type WorkHandler = (work: Work) => Promise<unknown>;

function guarded(
  options: Required<GuardOptions>,
  invoke: (work: Work) => unknown,
  policies: readonly unknown[],
): (...args: unknown[]) => Promise<unknown> {
  const { label, idempotent } = options;
  const innermost: WorkHandler = (work) => {
    try {
      return Promise.resolve(invoke(work));
    } catch (error) {
      return Promise.reject(error);
    }
  };
  // compose checks and nests functions without a look at what they are called with, and its type speaks of calls alone.
  const handler = compose(...(policies as Wrapper[]))(innermost as unknown as Parameters<Wrapper>[0]) as unknown as WorkHandler;

  return (...args) => {
    const request = currentCall();
    const work = new Work(label, idempotent, args, 1, request?.deadline, new Life());
    if (request !== undefined) work.onEnd(request.onAbort((reason) => work.abort(reason)));
    return work.run(handler);
  };
}

function partsOf<F>(factory: string, parts: readonly unknown[]): { options: Required<GuardOptions>; fn: F; policies: readonly unknown[] } {
  const given = typeof parts[0] === 'object' ? parts[0] : undefined;
  const [fn, ...policies] = given === undefined ? parts : parts.slice(1);
  if (given !== undefined) checkOptions(factory, given, ['label', 'idempotent']);
  if (typeof fn !== 'function')
    throw new TypeError(`${factory}: ${String(fn)} is no function. Give the function to guard, then the policies; options come before it.`);
  const { label = fn.name === '' ? 'anonymous' : fn.name, idempotent = true } = (given ?? {}) as GuardOptions;
  return { options: { label, idempotent }, fn: fn as F, policies };
}

/** The attempt of a guarded function. */
class Work implements Attempt {
  readonly label: string;
  readonly idempotent: boolean;
  readonly args: unknown[];
  readonly attempt: number;
  readonly deadline: number | undefined;
  readonly #life: Life;

  constructor(label: string, idempotent: boolean, args: unknown[], attempt: number, deadline: number | undefined, life: Life) {
    this.label = label;
    this.idempotent = idempotent;
    this.args = args;
    this.attempt = attempt;
    this.deadline = deadline;
    this.#life = life;
  }

  get aborted(): boolean {
    return this.#life.aborted;
  }

  get reason(): unknown {
    return this.#life.reason;
  }

  get signal(): AbortSignal {
    return this.#life.signal;
  }

  onAbort(listener: (reason: unknown) => void): () => void {
    return this.#life.onAbort(listener);
  }

  onEnd(listener: (end: End) => void): void {
    this.#life.onEnd(listener);
  }

  abort(reason: unknown): void {
    this.#life.abort(reason);
  }

  derive(change: AttemptChange): this {
    return this.#copy(change, this.#life);
  }

  branch(change: AttemptChange = {}): this {
    return this.#copy(change, new Life(this.#life));
  }

  run<R>(next: (attempt: this) => Promise<R>): Promise<R> {
    const result = begin(next, this);
    runInto(result, this.#life, nothing, nothing);
    return result;
  }

  runInto<R>(next: (attempt: this) => Promise<R>, succeeded: (value: R) => void, failed: (error: unknown) => void): void {
    runInto(begin(next, this), this.#life, succeeded, failed);
  }

  #copy(change: AttemptChange, life: Life): this {
    const deadline = 'deadline' in change ? change.deadline : this.deadline;
    return new Work(this.label, this.idempotent, this.args, change.attempt ?? this.attempt, deadline, life) as this;
  }
}

function nothing(): void {}
