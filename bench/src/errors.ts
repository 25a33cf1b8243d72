// Server CPU from a throw in a handler to the reply: problem+json against the framework's own default handler, logging off on both sides.
import type { Thrown } from './errors/thrown.js';
import { ratioRow, report } from './harness.js';
import type { Row } from './harness.js';
import { MeasuredServer, inTurns } from './http/measured-server.js';
import { onNode24, peersManifest } from './peers.js';

/** V8 compiles the same code otherwise in every process, which is worth up to 7 % here: so several of each side. */
const PAIRS = 3;
const ROUNDS = 5;
const REQUESTS = 12_000;
const BAR = 1.1;
const HOSTS = ['express', 'koa'] as const;
/** What is thrown by both sides, and what it is answered with. */
const THROWN: readonly (readonly [kind: Thrown, status: number])[] = [
  ['error', 500],
  ['http-error', 404],
];

const serverOf = (kind: string): Promise<MeasuredServer> => MeasuredServer.start(new URL('errors/server.js', import.meta.url), kind, peersManifest());

async function compare(host: (typeof HOSTS)[number], kind: Thrown, status: number): Promise<Row> {
  const asked = { paths: [`/${kind}/bob`], requests: REQUESTS, status };
  const samples = { ours: [] as number[], peer: [] as number[] };
  for (let pair = 0; pair < PAIRS; pair++) {
    const [mine, peer] = [await serverOf(`ferrule-${host}`), await serverOf(host)];
    const { ours, peer: theirs } = await inTurns(
      ROUNDS,
      () => mine.microsPerRequest(asked),
      () => peer.microsPerRequest(asked),
    );
    samples.ours.push(...ours);
    samples.peer.push(...theirs);
    mine.stop();
    peer.stop();
  }
  return ratioRow(`${host}, ${kind} to ${status} (µs CPU)`, samples.ours, samples.peer, BAR);
}

// The bar is of Node 24; `--here` stays on the Node that runs this.
if (!process.argv.includes('--here')) onNode24(import.meta.url);
const rows: Row[] = [];
for (const [kind, status] of THROWN) for (const host of HOSTS) rows.push(await compare(host, kind, status));
report('errors', rows);
