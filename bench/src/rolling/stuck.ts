import { fork } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { fileURLToPath } from 'node:url';
import { median } from '../harness.js';
import type { Row } from '../harness.js';

const ROUNDS = 3;
/** drainDelay and drainTimeout of the instance. */
const STOP_MS = 1_500;
/** What an aborted handler is given to answer. */
const GRACE_MS = 1_000;
const BEYOND_MS = 500;

/**
 * How long after its deadline a stop with one stuck request ends. The deadline of a handler that heeds its signal is drainTimeout; of one that
 * does not, the second after it in which aborted calls may answer. A stop that ends before its deadline has given the request less than promised.
 */
export async function stuckRows(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const framework of ['express', 'koa']) {
    for (const kind of ['heeds', 'ignores']) {
      const deadlineMs = STOP_MS + (kind === 'ignores' ? GRACE_MS : 0);
      const beyond: number[] = [];
      for (let round = 0; round < ROUNDS; round++) beyond.push((await stopMs(framework, kind)) - deadlineMs);
      const id = `${framework}: end after the deadline, one request that ${kind === 'heeds' ? 'heeds its abort' : 'never ends'}`;
      const samples = { ours: beyond, peer: [] };
      rows.push({ id: `${id}, latest`, unit: 'ms', value: Math.max(...beyond), op: '<=', limit: BEYOND_MS, samples });
      rows.push({ id: `${id}, earliest`, unit: 'ms', value: Math.min(...beyond), op: '>=', limit: 0, samples: { ours: [median(beyond)], peer: [] } });
    }
  }
  return rows;
}

/** From SIGTERM to the exit of the process. */
async function stopMs(framework: string, kind: string): Promise<number> {
  const child = fork(fileURLToPath(new URL('stuck-instance.js', import.meta.url)), [framework, kind], { execArgv: [] });
  try {
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    const entered = once(child, 'message');
    get({ host: '127.0.0.1', port, path: '/stuck', agent: false })
      .on('response', (res) => res.resume())
      .on('error', () => {}); // it is cut
    await entered;
    const begun = performance.now();
    child.kill('SIGTERM');
    await once(child, 'exit');
    return performance.now() - begun;
  } finally {
    child.kill('SIGKILL');
  }
}
