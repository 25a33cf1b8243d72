export const SETTLED: Promise<void> = Promise.resolve();

/**
 * A promise that is rejected with `error` a microtask later. `Promise.reject` costs six times as much (526 ns to 89): Node is told of every
 * promise that is rejected before anybody has asked how it settles, and again when somebody does. By then whoever called has asked.
 */
export function rejected<R>(error: unknown): Promise<R> {
  return new Promise((_resolve, reject) => {
    void SETTLED.then(() => reject(error));
  });
}
