import { AssertionError } from 'node:assert';

/**
 * One promise of an interface, as data: any test runner runs it with three lines. `run` resolves when the subject keeps the
 * promise and rejects with what was wrong; it ends by itself, also when the subject hangs, and leaves nothing behind.
 */
export interface ConformanceCase<Subject> {
  /** A sentence, unique in its table. */
  readonly name: string;
  /** After so long `run` rejects, ms, unless it is told otherwise. */
  readonly deadlineMs: number;
  /** Why this subject cannot be put to it, because it does not offer what the case needs; undefined: it can. `run` rejects then. */
  lacks?(subject: Subject): string | undefined;
  run(subject: Subject, deadlineMs?: number): Promise<void>;
}

/** What a subject says of itself. */
export interface ConformanceSubject {
  /** For the title, for example `express`. */
  readonly name: string;
  /** Cases that do not hold for this subject: the reason by the case's name. */
  readonly skips?: Readonly<Record<string, string>>;
}

/** A clean-up that runs when the case has ended, the last one first. */
export type Defer = (cleanUp: () => unknown) => void;

const CLEAN_UP_MS = 2_000;

/** A case from its body. What is given to `defer` runs however the body ends, at most two seconds. Default deadline 5,000 ms. */
export function conformanceCase<Subject>(
  name: string,
  body: (subject: Subject, defer: Defer) => Promise<void>,
  deadlineMs = 5_000,
): ConformanceCase<Subject> {
  return Object.freeze({
    name,
    deadlineMs,
    async run(subject: Subject, endMs = deadlineMs) {
      const cleanUps: (() => unknown)[] = [];
      try {
        await within(
          endMs,
          `Not done after ${endMs} ms: ${name}`,
          body(subject, (cleanUp) => void cleanUps.push(cleanUp)),
        );
      } finally {
        await within(CLEAN_UP_MS, `Not cleaned up after ${CLEAN_UP_MS} ms: ${name}`, unwind(cleanUps));
      }
    },
  });
}

/**
 * The reason why a subject skips a case; undefined: run it.
 * @throws TypeError when the subject names a case that the table does not have: it was renamed or fixed.
 */
export function skipReason<S extends ConformanceSubject>(cases: readonly ConformanceCase<S>[], subject: S, name: string): string | undefined {
  for (const skipped of Object.keys(subject.skips ?? {})) {
    if (!cases.some((one) => one.name === skipped))
      throw new TypeError(`skips of ${subject.name}: there is no case ${JSON.stringify(skipped)}. Remove it or give the case's exact name.`);
  }
  return subject.skips?.[name] ?? cases.find((one) => one.name === name)?.lacks?.(subject);
}

async function unwind(cleanUps: readonly (() => unknown)[]): Promise<void> {
  for (const cleanUp of cleanUps.toReversed()) await cleanUp();
}

async function within<T>(ms: number, message: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new AssertionError({ message })), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
