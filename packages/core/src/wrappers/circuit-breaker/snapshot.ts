import { shown } from '../../options/shown.js';
import type { CircuitState } from './contract.js';
import type { WindowSnapshot } from './window.js';

const VERSION = 1;

/**
 * A circuit as plain JSON. All times are spans, as the clock of the process that reads it starts elsewhere; only its age is told by the wall clock,
 * and a wall clock that is behind makes it new, not wrong.
 */
export interface CircuitSnapshot {
  readonly version: typeof VERSION;
  /** ms since the Unix epoch. */
  readonly takenAt: number;
  /** A half-open one begins with new trials: those of another process are not ours. */
  readonly state: CircuitState;
  /** Open: how long it stays so, in ms. */
  readonly openForMs: number;
  /** How often it has opened without closing. */
  readonly openings: number;
  /** Failures in a row. */
  readonly consecutive: number;
  /** How often `adaptive` has halved the limits. */
  readonly adapted: number;
  readonly window: WindowSnapshot;
}

export interface KeyedCircuitSnapshot {
  readonly version: typeof VERSION;
  /** What was set by hand for all keys. */
  readonly forced: 'forced-open' | 'disabled' | null;
  readonly circuits: readonly (readonly [key: string, snapshot: CircuitSnapshot])[];
}

const WHERE = 'circuitBreaker restore';
const STATES: readonly string[] = ['closed', 'open', 'half-open', 'forced-open', 'disabled'] satisfies readonly CircuitState[];
const MOST_BUCKETS = 1000;

/** @throws TypeError when it is no snapshot of one circuit, or of another version */
export function checkedSnapshot(value: unknown): CircuitSnapshot {
  const snapshot = recordOf(value, 'It takes what snapshot() gave');
  if ('circuits' in snapshot) throw new TypeError(`${WHERE}: this is the snapshot of a breaker with one circuit a key. Give \`per\` too.`);
  checkVersion(snapshot);
  const { state, window } = snapshot;
  if (typeof state !== 'string' || !STATES.includes(state)) throw wrong('state', state, STATES.join(', '));
  for (const name of ['takenAt', 'openForMs', 'openings', 'consecutive', 'adapted']) checkCount(snapshot[name], name);
  checkWindow(window);
  return snapshot as unknown as CircuitSnapshot;
}

/** @throws TypeError when it is no snapshot of one circuit a key, or of another version */
export function checkedKeyedSnapshot(value: unknown): KeyedCircuitSnapshot {
  const snapshot = recordOf(value, 'It takes what snapshot() gave');
  if (!('circuits' in snapshot))
    throw new TypeError(`${WHERE}: this is the snapshot of a single circuit. Leave \`per\` out, or give one of a breaker with keys.`);
  checkVersion(snapshot);
  const { forced, circuits } = snapshot;
  if (forced !== null && forced !== 'forced-open' && forced !== 'disabled') throw wrong('forced', forced, 'null, forced-open or disabled');
  if (!Array.isArray(circuits)) throw wrong('circuits', circuits, 'a list of [key, snapshot]');
  for (const entry of circuits as readonly unknown[]) {
    if (!Array.isArray(entry) || entry.length !== 2 || typeof entry[0] !== 'string') throw wrong('circuits', entry, 'a list of [key, snapshot]');
    checkedSnapshot(entry[1]);
  }
  return snapshot as unknown as KeyedCircuitSnapshot;
}

function checkVersion({ version }: Readonly<Record<string, unknown>>): void {
  if (version !== VERSION) throw new TypeError(`${WHERE} version: ${shown(version)} cannot be read. Give a snapshot of version ${VERSION}.`);
}

function checkWindow(value: unknown): void {
  const window = recordOf(value, "window: Give { kind: 'time', bucketMs, buckets } or { kind: 'calls', results }");
  if (window['kind'] === 'calls') {
    const { results } = window;
    if (typeof results !== 'string' || !/^[0-3]*$/.test(results)) throw wrong('window results', results, 'digits from 0 to 3');
  } else if (window['kind'] === 'time') {
    const { bucketMs, buckets } = window;
    checkCount(bucketMs, 'window bucketMs');
    if (!Array.isArray(buckets) || buckets.length > MOST_BUCKETS)
      throw wrong('window buckets', buckets, `at most ${MOST_BUCKETS} lists of three counts`);
    for (const bucket of buckets as readonly unknown[]) {
      if (!Array.isArray(bucket) || bucket.length !== 3 || !bucket.every((count) => Number.isSafeInteger(count) && (count as number) >= 0))
        throw wrong('window buckets', bucket, 'lists of three whole numbers from 0');
    }
  } else {
    throw wrong('window kind', window['kind'], 'time or calls');
  }
}

function recordOf(value: unknown, remedy: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>;
  throw new TypeError(`${WHERE}: ${shown(value)} is no snapshot. ${remedy}.`);
}

function checkCount(value: unknown, member: string): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw wrong(member, value, 'a number from 0');
}

function wrong(member: string, value: unknown, expected: string): TypeError {
  return new TypeError(`${WHERE} ${member}: ${shown(value)} does not fit. It takes ${expected}.`);
}
