import type { Attempt, AttemptChange, Call } from '../call/call.js';
import { Ending, begin, endWith, runInto } from '../call/call.js';
import { currentCall } from '../call/context.js';
import { flowInto, flowOf } from '../call/flow.js';
import type { Continuation } from '../call/flow.js';
import { FAILED, Life } from '../call/life.js';
import type { End } from '../call/life.js';
import { checkFlag } from '../options/check.js';
import { checkOptions, checkWord } from './options.js';
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

type WorkHandler = (work: GuardedAttempt) => Promise<unknown>;

function guarded(
  facts: Required<GuardOptions>,
  invoke: (work: GuardedAttempt) => unknown,
  policies: readonly unknown[],
): (...args: unknown[]) => Promise<unknown> {
  const innermost: WorkHandler = (work) => invoke(work) as Promise<unknown>; // whoever begins it makes a promise of what it gives or throws
  // compose checks and nests functions without a look at what they are called with, and its type speaks of calls alone.
  const handler = compose(...(policies as Wrapper[]))(innermost as unknown as Parameters<Wrapper>[0]) as unknown as WorkHandler;
  const flow = flowOf(handler);

  return (...args) => {
    const request = currentCall();
    const work = new Work(facts, args, 1, request?.deadline, undefined);
    if (request !== undefined) abortWith(request, work);
    return flow(work, work);
  };
}

/** Apart, because a function that makes a closure pays for it whenever it is called. */
function abortWith(request: Call, work: Work): void {
  work.onEnd(request.onAbort((reason) => work.abort(reason)));
}

function partsOf<F>(factory: string, parts: readonly unknown[]): { options: Required<GuardOptions>; fn: F; policies: readonly unknown[] } {
  const given = typeof parts[0] === 'object' ? parts[0] : undefined;
  const [fn, ...policies] = given === undefined ? parts : parts.slice(1);
  if (given !== undefined) checkOptions(factory, given, ['label', 'idempotent']);
  if (typeof fn !== 'function')
    throw new TypeError(`${factory}: ${String(fn)} is no function. Give the function to guard, then the policies; options come before it.`);
  checkWord((given as GuardOptions | undefined)?.label, `${factory} label`, 'findUser');
  checkFlag((given as GuardOptions | undefined)?.idempotent, `${factory} idempotent`);
  const { label = fn.name === '' ? 'anonymous' : fn.name, idempotent = true } = (given ?? {}) as GuardOptions;
  return { options: { label, idempotent }, fn: fn as F, policies };
}

/** The attempt of a guarded function. */
interface GuardedAttempt extends Attempt {
  readonly args: unknown[];
}

/**
 * A guarded call or a branch of one, together with its life: there are as many as there are policies that branch, and one object is made
 * faster than two. Of the call itself it is also the continuation that ends it.
 */
class Work extends Life implements GuardedAttempt, Continuation<unknown> {
  private readonly facts: Required<GuardOptions>;
  readonly args: unknown[];
  readonly attempt: number;
  readonly deadline: number | undefined;

  constructor(facts: Required<GuardOptions>, args: unknown[], attempt: number, deadline: number | undefined, parent: Life | undefined) {
    super(parent);
    this.facts = facts;
    this.args = args;
    this.attempt = attempt;
    this.deadline = deadline;
  }

  get label(): string {
    return this.facts.label;
  }

  get idempotent(): boolean {
    return this.facts.idempotent;
  }

  derive(change: AttemptChange): this {
    return new DerivedWork(this, change) as GuardedAttempt as this;
  }

  branch(change?: AttemptChange): this {
    if (change === undefined) return new Work(this.facts, this.args, this.attempt, this.deadline, this) as this;
    return new Work(this.facts, this.args, change.attempt ?? this.attempt, deadlineOf(change, this), this) as this;
  }

  endWith(value: unknown): void {
    endWith(this, value);
  }

  endFailed(): void {
    this.end(FAILED);
  }

  run<R>(next: (attempt: this) => Promise<R>): Promise<R> {
    return flowInto(next, this, new Ending<R>(this));
  }

  runInto<R>(next: (attempt: this) => Promise<R>, succeeded: (value: R) => void, failed: (error: unknown) => void): void {
    runInto(begin(next, this), this, succeeded, failed);
  }

  get passesOn(): boolean {
    return true;
  }

  succeeded(value: unknown): unknown {
    endWith(this, value);
    return value;
  }

  failed(error: unknown, from?: Promise<unknown>): unknown {
    this.end(FAILED);
    if (from !== undefined) return from;
    throw error;
  }
}

/** The same work with other facts. */
class DerivedWork implements GuardedAttempt {
  readonly #work: Work;
  readonly attempt: number;
  readonly deadline: number | undefined;

  constructor(work: Work, change: AttemptChange, from: Attempt = work) {
    this.#work = work;
    this.attempt = change.attempt ?? from.attempt;
    this.deadline = deadlineOf(change, from);
  }

  get label(): string {
    return this.#work.label;
  }

  get idempotent(): boolean {
    return this.#work.idempotent;
  }

  get args(): unknown[] {
    return this.#work.args;
  }

  get aborted(): boolean {
    return this.#work.aborted;
  }

  get reason(): unknown {
    return this.#work.reason;
  }

  get signal(): AbortSignal {
    return this.#work.signal;
  }

  onAbort(listener: (reason: unknown) => void): () => void {
    return this.#work.onAbort(listener);
  }

  onEnd(listener: (end: End) => void): void {
    this.#work.onEnd(listener);
  }

  abort(reason: unknown): void {
    this.#work.abort(reason);
  }

  derive(change: AttemptChange): this {
    return new DerivedWork(this.#work, change, this) as this;
  }

  branch(change: AttemptChange = {}): this {
    return this.#work.branch({ attempt: change.attempt ?? this.attempt, deadline: deadlineOf(change, this) }) as GuardedAttempt as this;
  }

  endWith(value: unknown): void {
    this.#work.endWith(value);
  }

  endFailed(): void {
    this.#work.endFailed();
  }

  run<R>(next: (attempt: this) => Promise<R>): Promise<R> {
    return flowInto(next, this, new Ending<R>(this));
  }

  runInto<R>(next: (attempt: this) => Promise<R>, succeeded: (value: R) => void, failed: (error: unknown) => void): void {
    runInto(begin(next, this), this, succeeded, failed);
  }
}

function deadlineOf(change: AttemptChange, from: Attempt): number | undefined {
  return 'deadline' in change ? change.deadline : from.deadline;
}
