import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ratioRow } from '../harness.js';
import type { Row } from '../harness.js';
import { load } from '../http/load.js';

const ROUNDS = 9;
const REQUESTS = 15_000;
const MOST = 1.15;

interface Server {
  microsPerRequest(path: string): Promise<number>;
  stop(): void;
}

async function serverOf(kind: string): Promise<Server> {
  const child: ChildProcess = fork(fileURLToPath(new URL('server.js', import.meta.url)), [kind], {
    execArgv: [],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const heard = async <T>(): Promise<T> => ((await once(child, 'message')) as [T])[0];
  const { port } = await heard<{ port: number }>();
  const cpu = async (): Promise<number> => {
    const answer = heard<{ cpuMicros: number }>();
    child.send('cpu');
    return (await answer).cpuMicros;
  };
  return {
    async microsPerRequest(path) {
      const before = await cpu();
      await load(port, [path], REQUESTS);
      return ((await cpu()) - before) / REQUESTS;
    },
    stop: () => child.disconnect(),
  };
}

/** CPU of the server for a probe of liveness and of readiness, against the bare framework's hello world, in turns. */
export async function cpuRows(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const framework of ['express', 'koa']) {
    const [ours, bare] = [await serverOf(`ferrule-${framework}`), await serverOf(framework)];
    for (const path of ['/health/live', '/health/ready']) {
      const samples = { ours: [] as number[], peer: [] as number[] };
      for (let round = -2; round < ROUNDS; round++) {
        const mine = (): Promise<number> => ours.microsPerRequest(path);
        const peers = (): Promise<number> => bare.microsPerRequest('/');
        const first = round % 2 === 0 ? await mine() : await peers();
        const second = round % 2 === 0 ? await peers() : await mine();
        if (round < 0) continue;
        samples.ours.push(round % 2 === 0 ? first : second);
        samples.peer.push(round % 2 === 0 ? second : first);
      }
      rows.push(ratioRow(`${path} / hello world of ${framework} (µs CPU)`, samples.ours, samples.peer, MOST));
    }
    ours.stop();
    bare.stop();
  }
  return rows;
}
