import { setTimeout as pause } from 'node:timers/promises';
import type { Row } from '../harness.js';
import type { LoadResult } from './load.js';
import { processOf } from './process-of.js';
import type { ProcessOf } from './process-of.js';

const FRAMEWORKS = ['express', 'koa', 'express', 'koa'] as const;
const CLIENTS = ['ferrule', 'undici'] as const;
const ROUNDS = 2;
/** Above the 500 of the bar by what a timer may lose. */
const PER_SECOND = 550;
const LEAST_PER_SECOND = 500;
/** For the load to reach the last instance too. */
const HEARD_MS = 1_000;

/**
 * Restarts each of four instances twice, one after the other, on its own port, while a client of each kind sends without retries, each from a
 * process of its own. Only one instance is away at a time: three are enough for the load, as an orchestrator that replaces in place would see it.
 */
export async function restartRows(registry: string, where: string): Promise<readonly Row[]> {
  const running: ProcessOf[] = [];
  const loads: ProcessOf[] = [];
  try {
    const fleet: { process: ProcessOf; readonly framework: string; readonly port: number }[] = [];
    const start = async (framework: string, port: number): Promise<{ process: ProcessOf; port: number }> => {
      const one = processOf('instance.js', framework, where, String(port));
      running.push(one);
      return { process: one, port: (await one.hears<{ port: number }>()).port };
    };
    for (const framework of FRAMEWORKS) fleet.push({ framework, ...(await start(framework, 0)) });
    for (const kind of CLIENTS) loads.push(processOf('load.js', kind, where, String(PER_SECOND)));
    await Promise.all(loads.map((load) => load.hears()));
    const stops: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      for (const one of fleet) {
        const begun = performance.now();
        await one.process.terminate();
        stops.push(performance.now() - begun);
        one.process = (await start(one.framework, one.port)).process;
      }
    }
    await pause(HEARD_MS);
    const results = await Promise.all(
      loads.map((load) => {
        const result = load.hears<LoadResult>();
        load.send('stop');
        return result;
      }),
    );
    return results
      .flatMap((result, index) => rowsOf(`${registry}, ${CLIENTS[index]!}`, result))
      .concat({
        id: `${registry}: SIGTERM to exit, a request every 2 ms`,
        unit: 'ms',
        value: Math.max(...stops),
        samples: { ours: stops, peer: [] },
      });
  } finally {
    for (const one of [...running, ...loads]) one.kill();
  }
}

function rowsOf(what: string, { sent, failed, failures, seconds, slowestMs, stalledMs, pids }: LoadResult): Row[] {
  for (const failure of failures) process.stderr.write(`${what}: ${failure}\n`);
  return [
    { id: `${what}: failed of ${sent}`, unit: 'requests', value: failed, op: '<=', limit: 0, samples: { ours: [failed], peer: [] } },
    { id: `${what}: load`, unit: 'req/s', value: sent / seconds, op: '>=', limit: LEAST_PER_SECOND, samples: { ours: [sent / seconds], peer: [] } },
    { id: `${what}: slowest request`, unit: 'ms', value: slowestMs, samples: { ours: [slowestMs], peer: [] } },
    { id: `${what}: longest stall of the sender itself`, unit: 'ms', value: stalledMs, samples: { ours: [stalledMs], peer: [] } },
    // Each of the twelve processes has answered: a client that stays with the first ones proves nothing.
    {
      id: `${what}: processes that answered`,
      unit: 'processes',
      value: pids,
      op: '>=',
      limit: FRAMEWORKS.length * (1 + ROUNDS),
      samples: { ours: [pids], peer: [] },
    },
  ];
}
