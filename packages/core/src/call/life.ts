/** How an exchange ended. `bytes` counts the body that was moved. */
export interface End {
  /** `done`: complete; `aborted`: the other side or a timeout cut it; `failed`: an error ended it. */
  readonly kind: 'done' | 'aborted' | 'failed';
  readonly bytes: number;
}

type AbortListener = (reason: unknown) => void;
type EndListener = (end: End) => void;
type AnswerListener = (status: number) => void;

/**
 * The life of one piece of work: whether it was aborted, when its headers were known and when it has really ended.
 *
 * Lives form a tree: an attempt is a branch of its call. Aborting a life aborts its branches, and a life ends only
 * after its own work and all of its branches have ended, so that a permit taken for it stays taken that long.
 * Everything is made on demand: a call that nobody cancels and nobody waits for costs one object.
 *
 * A listener that throws keeps neither the others nor the branches from hearing: its error is thrown again on its own, as an
 * uncaught one, as Node does it for the listeners of an AbortSignal.
 */
export class Life {
  #parent: Life | undefined;
  // Branches are linked through themselves: a Set for one or two of them would cost more than all the rest of a life.
  #firstBranch: Life | undefined;
  #previous: Life | undefined;
  #next: Life | undefined;
  #open = 1;
  #end: End | undefined;
  #ownEnd: End | undefined;
  #endListeners: EndListener[] | undefined;
  #ownEndListeners: EndListener[] | undefined;
  #answerListeners: AnswerListener[] | undefined;
  #abortListeners: Set<AbortListener> | undefined;
  #controller: AbortController | undefined;
  #aborted = false;
  #reason: unknown;

  constructor(parent?: Life) {
    this.#parent = parent;
    if (parent === undefined) return;
    parent.#open++;
    this.#next = parent.#firstBranch;
    if (this.#next !== undefined) this.#next.#previous = this;
    parent.#firstBranch = this;
    if (parent.#aborted) {
      this.#aborted = true;
      this.#reason = parent.#reason;
    }
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  /** Whether the work and all branches have ended. */
  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** An AbortSignal of this life, made when it is first asked for. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Aborts this life and its branches; without effect once ended or aborted. */
  abort(reason: unknown): void {
    if (this.#aborted || this.#end !== undefined) return;
    this.#aborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
    const listeners = this.#abortListeners;
    this.#abortListeners = undefined;
    if (listeners !== undefined) for (const listener of listeners) tell(listener, reason);
    const branches: Life[] = []; // a listener may end any of them, so they are looked up before
    for (let branch = this.#firstBranch; branch !== undefined; branch = branch.#next) branches.push(branch);
    for (const branch of branches) branch.abort(reason);
  }

  /** Calls `listener` once on abort, at once when aborted already. The returned function takes it back. */
  onAbort(listener: AbortListener): () => void {
    if (this.#aborted) {
      listener(this.#reason);
      return nothing;
    }
    if (this.#end !== undefined) return nothing;
    const listeners = (this.#abortListeners ??= new Set());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** The reply's status and headers are known. Those above hear of it too: the transport has the innermost branch, a lease the attempt. */
  answered(status: number): void {
    const listeners = this.#answerListeners;
    if (listeners !== undefined) for (const listener of listeners) tell(listener, status);
    this.#parent?.answered(status);
  }

  /** Calls `listener` whenever headers arrive: once for an attempt, once per attempt for a call that is tried again. */
  onAnswered(listener: AnswerListener): void {
    (this.#answerListeners ??= []).push(listener);
  }

  /** The own work has ended; idempotent. Listeners hear of it when the branches have ended too. */
  end(end: End): void {
    if (this.#ownEnd !== undefined) return;
    this.#ownEnd = end;
    const listeners = this.#ownEndListeners;
    this.#ownEndListeners = undefined;
    if (listeners !== undefined) for (const listener of listeners) tell(listener, end);
    this.#close();
  }

  /**
   * Calls `listener` once when the own work has ended, whatever its branches still do, at once when it has already.
   * For those who report what the other side saw: a reply left, although the handler that ran into a timeout still hangs.
   */
  onOwnEnd(listener: EndListener): void {
    if (this.#ownEnd !== undefined) listener(this.#ownEnd);
    else (this.#ownEndListeners ??= []).push(listener);
  }

  /** Calls `listener` once when everything has ended, at once when it has already. */
  onEnd(listener: EndListener): void {
    if (this.#end !== undefined) listener(this.#end);
    else (this.#endListeners ??= []).push(listener);
  }

  #close(): void {
    if (--this.#open > 0) return;
    this.#end = this.#ownEnd!;
    this.#abortListeners = undefined;
    this.#answerListeners = undefined;
    const listeners = this.#endListeners;
    this.#endListeners = undefined;
    if (listeners !== undefined) for (const listener of listeners) tell(listener, this.#end);
    const parent = this.#parent;
    if (parent === undefined) return;
    this.#parent = undefined;
    parent.#forget(this);
    parent.#close();
  }

  #forget(branch: Life): void {
    const previous = branch.#previous;
    const next = branch.#next;
    if (previous === undefined) this.#firstBranch = next;
    else previous.#next = next;
    if (next !== undefined) next.#previous = previous;
    branch.#previous = branch.#next = undefined;
  }
}

/** Calls the listener; what it throws becomes an uncaught error behind the back of whoever tells. */
function tell<T>(listener: (what: T) => void, what: T): void {
  try {
    listener(what);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function nothing(): void {}
