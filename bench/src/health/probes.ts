import { createService, silentLogger } from '@ferrule/core';
import type { Check, HttpAdapter, Service } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';
import { koaAdapter } from '@ferrule/koa';
import { Agent, fetch } from 'undici';
import type { Row } from '../harness.js';

const PROBES = 1_000;
const ROUNDS = 5;

/** Ways in which a dependency fails. Each check goes on failing for as long as the probes come. */
const FAILURES: Readonly<Record<string, () => unknown>> = {
  hangs: () => new Promise(() => {}),
  throws: () => {
    throw new Error('refused');
  },
  'throws what is no error': () => Promise.reject('refused'),
  'is late': () => new Promise((resolve) => setTimeout(resolve, 400)),
  'says no': () => false,
};

/**
 * Starts a check has beyond one for each round of probes. A round is a thousand probes at once, of both kinds that run checks; between rounds the cache runs
 * out, so that each has to run them again: once.
 */
export async function probeRows(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const [name, adapter] of [
    ['express', expressAdapter],
    ['koa', koaAdapter],
  ] as const) {
    rows.push(await startedTwice(name, adapter()), await liveness(name, adapter()));
  }
  return rows;
}

async function startedTwice(framework: string, adapter: HttpAdapter): Promise<Row> {
  let runs = 0;
  let running = 0;
  let most = 0;
  const run = async (): Promise<boolean> => {
    runs++;
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 100));
    running--;
    return true;
  };
  const service = serviceOf(adapter, [{ name: 'database', run, cacheFor: '2s', timeout: '5s' }]);
  const { port } = await service.start();
  const agent = new Agent({ connections: PROBES });
  let extra = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    const before = runs;
    const statuses = await Promise.all(
      Array.from({ length: PROBES }, async (_, index) => {
        const { status, body } = await fetch(`http://127.0.0.1:${port}/health${index % 2 === 0 ? '/ready' : ''}`, { dispatcher: agent });
        await body?.cancel();
        return status;
      }),
    );
    if (statuses.some((status) => status !== 200)) throw new Error(`${framework}: a probe was answered with ${statuses.find((one) => one !== 200)}`);
    if (runs === before) throw new Error(`${framework}: the check did not run, so that the row could not miss its bar`);
    extra += runs - before - 1;
  }
  await agent.close();
  await service.stop();
  const value = extra + (most - 1);
  return {
    id: `${framework}: checks started twice under ${PROBES} parallel probes, ${ROUNDS} times`,
    unit: 'runs',
    value,
    op: '<=',
    limit: 0,
    samples: { ours: [value], peer: [] },
  };
}

/** Liveness while every dependency fails in its own way, and through draining: how many answers were no 200. */
async function liveness(framework: string, adapter: HttpAdapter): Promise<Row> {
  const service = serviceOf(
    adapter,
    Object.entries(FAILURES).map(([name, run]) => ({ name, run, cacheFor: 10, timeout: 50 })),
  );
  const { port } = await service.start();
  const agent = new Agent({ connections: 8 });
  const statusOf = async (path: string): Promise<number> => {
    const { status, body } = await fetch(`http://127.0.0.1:${port}${path}`, { dispatcher: agent });
    await body?.cancel();
    return status;
  };
  let asked = 0;
  let wrong = 0;
  const ask = async (): Promise<void> => {
    asked++;
    if ((await statusOf('/health/live').catch(() => 0)) !== 200) wrong++;
  };
  for (let count = 0; count < 200; count++) await Promise.all([ask(), statusOf('/health/ready')]);
  // Else nothing had failed.
  if ((await statusOf('/health/ready')) !== 503) throw new Error(`${framework}: readiness should have failed`);
  const stopped = service.stop();
  // Within drainDelay: after it nobody listens.
  for (const until = performance.now() + 800; performance.now() < until;) {
    await ask();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await stopped;
  await agent.close();
  if (asked < 210) throw new Error(`${framework}: only ${asked} probes of liveness, so few were sent while it drained`);
  return {
    id: `${framework}: liveness other than 200, of ${asked} through ${Object.keys(FAILURES).length} failing dependencies and draining`,
    unit: 'replies',
    value: wrong,
    op: '<=',
    limit: 0,
    samples: { ours: [wrong], peer: [] },
  };
}

function serviceOf(adapter: HttpAdapter, checks: readonly Check[]): Service {
  return createService({
    name: 'bench',
    adapter,
    signals: false,
    logger: silentLogger,
    listen: { host: '127.0.0.1' },
    drainDelay: '1s',
    health: { checks },
  });
}
