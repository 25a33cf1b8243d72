import { constants } from 'node:os';

export type StopSignal = 'SIGTERM' | 'SIGINT';

/** What is needed of `process`. */
export interface SignalSource {
  on(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
  off(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
  listeners(signal: StopSignal): readonly unknown[];
  listenerCount(signal: StopSignal): number;
  exit(code?: number): void;
  exitCode?: number | string | null | undefined;
}

const SIGNALS: readonly StopSignal[] = ['SIGTERM', 'SIGINT'];

/**
 * Stops a service on SIGTERM or SIGINT. Who listens for a signal takes over from Node what happens then, which is to end the process,
 * so that has to happen here too:
 * - The first signal calls `stop`, which resolves to whether everything ended in order. After it the process exits with 0, else 1, or
 *   with the exit code that the app has set.
 * - A second signal, of either kind, exits at once with 128 + its number, as a shell would report it.
 * - Several services in one process share one listener, however many they are: it is found among the process's own, so that no state is
 *   kept here, and services of two copies of the package get along as well. The last to stop finds no listener left: that one exits.
 * - An app that listens for the signal itself ends the process itself; when it has not after `patienceMs`, we do. The timer does not
 *   keep the process alive, so it matters only when something else does.
 *
 * The returned function takes the listeners away; the service calls it at the end of its stop, not before, or a second signal would kill.
 */
export function stopOnSignals(stop: (signal: StopSignal) => Promise<boolean>, patienceMs: number, source: SignalSource = process): () => void {
  const shared = SIGNALS.flatMap((signal) => source.listeners(signal)).find(isShared) ?? share(source);
  const stopOne = (signal: StopSignal): void => {
    void stop(signal).then((inOrder) => {
      remove();
      if (!inOrder) source.exitCode ??= 1;
      if (source.listenerCount(signal) === 0) source.exit();
      else setTimeout(() => source.exit(), patienceMs).unref();
    });
  };
  const remove = (): void => {
    if (!shared[STOPS].delete(stopOne) || shared[STOPS].size > 0) return;
    for (const signal of SIGNALS) source.off(signal, shared);
  };
  shared[STOPS].add(stopOne);
  return remove;
}

/** The number is that of what it promises: a set of functions that take the signal. */
const STOPS = Symbol.for('ferrule.stops.1');

/** The one listener, with what it calls at the first signal. */
interface SharedListener {
  (signal: StopSignal): void;
  readonly [STOPS]: Set<(signal: StopSignal) => void>;
}

function isShared(listener: unknown): listener is SharedListener {
  return typeof listener === 'function' && STOPS in listener;
}

function share(source: SignalSource): SharedListener {
  let stopping = false;
  const stops = new Set<(signal: StopSignal) => void>();
  const heard = (signal: StopSignal): void => {
    if (stopping) {
      // The one place where Ferrule ends a process: re-raising the signal instead would do nothing in a container, whose process 1
      // the kernel protects from signals that it has no handler for.
      source.exit(128 + constants.signals[signal]);
      return;
    }
    stopping = true;
    for (const stop of [...stops]) stop(signal);
  };
  const shared: SharedListener = Object.assign(heard, { [STOPS]: stops });
  for (const signal of SIGNALS) source.on(signal, shared);
  return shared;
}
