import { constants } from 'node:os';

export type StopSignal = 'SIGTERM' | 'SIGINT';

/** What is needed of `process`. */
export interface SignalSource {
  on(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
  off(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
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
 * - With several services in one process each has its listener, and the last to stop finds none left: that one exits. No state is shared
 *   but the process's own list of listeners, so services of two copies of the package get along as well.
 * - An app that listens for the signal itself ends the process itself; when it has not after `patienceMs`, we do. The timer does not
 *   keep the process alive, so it matters only when something else does.
 *
 * The returned function takes the listeners away; the service calls it at the end of its stop, not before, or a second signal would kill.
 */
export function stopOnSignals(stop: (signal: StopSignal) => Promise<boolean>, patienceMs: number, source: SignalSource = process): () => void {
  let stopping = false;
  const heard = (signal: StopSignal): void => {
    if (stopping) {
      // The one place where Ferrule ends a process: re-raising the signal instead would do nothing in a container, whose process 1
      // the kernel protects from signals that it has no handler for.
      source.exit(128 + constants.signals[signal]);
      return;
    }
    stopping = true;
    void stop(signal).then((inOrder) => {
      remove();
      if (!inOrder) source.exitCode ??= 1;
      if (source.listenerCount(signal) === 0) source.exit();
      else setTimeout(() => source.exit(), patienceMs).unref();
    });
  };
  const remove = (): void => {
    for (const signal of SIGNALS) source.off(signal, heard);
  };
  for (const signal of SIGNALS) source.on(signal, heard);
  return remove;
}
