import { ratioRow } from '../harness.js';
import type { Row } from '../harness.js';
import { MeasuredServer, inTurns } from '../http/measured-server.js';

const ROUNDS = 9;
const REQUESTS = 15_000;
const MOST = 1.15;

const serverOf = (kind: string): Promise<MeasuredServer> => MeasuredServer.start(new URL('server.js', import.meta.url), kind);

/** CPU of the server for a probe of liveness and of readiness, against the bare framework's hello world, in turns. */
export async function cpuRows(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const framework of ['express', 'koa']) {
    const [mine, bare] = [await serverOf(`ferrule-${framework}`), await serverOf(framework)];
    for (const path of ['/health/live', '/health/ready']) {
      const samples = await inTurns(
        ROUNDS,
        () => mine.microsPerRequest({ paths: [path], requests: REQUESTS }),
        () => bare.microsPerRequest({ paths: ['/'], requests: REQUESTS }),
      );
      rows.push(ratioRow(`${path} / hello world of ${framework} (µs CPU)`, samples.ours, samples.peer, MOST));
    }
    mine.stop();
    bare.stop();
  }
  return rows;
}
