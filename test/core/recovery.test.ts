import { expect } from 'chai';
import { ServiceError, backoff, circuitBreaker, fromDatabase, guard, rethrow, retry } from '@ferrule/core';
import type { Backoff, RetryEvent, RetryOptions } from '@ferrule/core';
import { manualClock, seededRandom } from '@ferrule/testing';

/** The three strategies of the original design, as docs/recovery.md has them. */
const STRATEGIES: Readonly<Record<'exponential' | 'linear' | 'fixed', Backoff>> = {
  exponential: backoff.exponential({ base: '1s', factor: 2, cap: '30s' }),
  linear: backoff.linear({ base: '1s', step: '2s', cap: '20s' }),
  fixed: backoff.fixed('5s'),
};

const away = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

interface Run {
  readonly waits: number[];
  readonly failure: unknown;
  readonly value: unknown;
  readonly elapsedMs: number;
}

/** Runs a query that fails `failures` times under a recipe, on a clock of its own. */
async function run(failures: number, options: RetryOptions, make: () => Error = away): Promise<Run> {
  const clock = manualClock();
  const waits: number[] = [];
  let calls = 0;
  const query = guard(
    () => {
      if (calls++ < failures) throw make();
      return 'rows';
    },
    retry({
      immediate: false,
      budgets: [],
      clock,
      random: seededRandom(1),
      on: (event: RetryEvent) => event.kind === 'retry' && waits.push(event.delayMs),
      ...options,
    }),
    rethrow(fromDatabase),
  );
  let done = false;
  let settledAt = 0;
  const settled = query()
    .then(
      (value) => ({ value, failure: undefined }),
      (failure: unknown) => ({ value: undefined, failure }),
    )
    .finally(() => {
      done = true;
      settledAt = clock.now();
    });
  for (let seconds = 0; seconds < 600 && !done; seconds++) await clock.advance(1_000);
  return { ...(await settled), waits, elapsedMs: settledAt };
}

describe('the recipes of recovery', () => {
  for (const [strategy, waits] of [
    ['exponential', [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]],
    ['linear', [1_000, 3_000, 5_000, 7_000, 9_000, 11_000, 13_000, 15_000, 17_000, 19_000, 20_000, 20_000]],
    ['fixed', [5_000, 5_000, 5_000]],
  ] as const) {
    it(`${strategy}: waits ${waits.map((ms) => ms / 1_000).join(', ')} s, the first time too, then gives the value`, async () => {
      const result = await run(waits.length, { retries: waits.length, backoff: STRATEGIES[strategy] });
      expect(result).to.deep.equal({ waits: [...waits], value: 'rows', failure: undefined, elapsedMs: waits.reduce((a: number, b) => a + b, 0) });
    });
  }

  it('max_retries: throws the last failure, with its meaning, after as many', async () => {
    const { waits, failure } = await run(99, { retries: 3, backoff: STRATEGIES.fixed });
    expect(waits).to.have.length(3);
    expect(failure).to.be.instanceOf(ServiceError).and.include({ code: 'UNAVAILABLE', layer: 'database' });
  });

  it('max_retry_time: begins no attempt for which there is no time, and does not wait for it either', async () => {
    const { waits, elapsedMs } = await run(99, { retries: 99, maxElapsed: '20s', backoff: STRATEGIES.exponential });
    expect(waits).to.deep.equal([1_000, 2_000, 4_000, 8_000]);
    expect(elapsedMs).to.equal(15_000);
  });

  it('jitter: spreads the waits below the cap, where the original had a flag that did nothing', async () => {
    const { waits } = await run(6, { retries: 6, backoff: backoff.exponential({ base: '1s', cap: '30s', jitter: 'equal' }) });
    for (const [index, ms] of waits.entries())
      expect(ms).to.be.within(Math.min(30_000, 1_000 * 2 ** index) / 2, Math.min(30_000, 1_000 * 2 ** index));
    expect(new Set(waits.map((ms, index) => ms / 2 ** index)).size).to.equal(6);
  });

  it('does not try again what no second try helps: a duplicate, a syntax error', async () => {
    for (const code of ['23505', '42601']) {
      const { waits } = await run(1, { retries: 3, backoff: STRATEGIES.fixed }, () => Object.assign(new Error('x'), { code }));
      expect(waits, code).to.deep.equal([]);
    }
  });

  it('with a breaker inside: the open circuit is asked no more, and a write is never sent twice', async () => {
    const clock = manualClock();
    let queries = 0;
    const breaker = circuitBreaker({ clock });
    const query = guard(
      () => {
        queries++;
        throw away();
      },
      retry({ retries: 2, immediate: false, backoff: backoff.fixed(0), budgets: [], clock }),
      breaker,
      rethrow(fromDatabase),
    );
    let failure: unknown;
    for (let calls = 0; calls < 50; calls++) failure = await query().catch((error: unknown) => error);
    expect(breaker.state).to.equal('open');
    expect(failure).to.include({ reason: 'CIRCUIT_OPEN' });
    const before = queries;
    await query().catch(() => {});
    expect(queries).to.equal(before);

    let writes = 0;
    const insert = guard(
      { idempotent: false },
      () => {
        writes++;
        throw away();
      },
      retry({ retries: 3, backoff: backoff.fixed(0), budgets: [], clock }),
      rethrow(fromDatabase),
    );
    await insert().catch(() => {});
    expect(writes).to.equal(1);
  });
});
