// Server CPU per request: our full default inbound stack against the bare framework, on a JSON route with one parameter.
import { ratioRow, report } from './harness.js';
import type { Row } from './harness.js';
import { MeasuredServer, inTurns } from './http/measured-server.js';
import { onNode24, peersManifest } from './peers.js';

const ROUNDS = 9;
const REQUESTS = 15_000;
const PAIRS = [
  ['ferrule-express', 'express'],
  ['ferrule-koa', 'koa'],
] as const;
/** A decorated controller behind a container. */
const DECORATED: readonly string[] = ['ferrule', 'nest', 'inversify', 'routing-controllers'];
const BARS: Readonly<Record<number, number>> = { 1: 1.05, 200: 0.8 };

function serverOf(kind: string, routes: number): Promise<MeasuredServer> {
  return DECORATED.includes(kind)
    ? MeasuredServer.start(new URL('startup/app.js', import.meta.url), kind, peersManifest())
    : MeasuredServer.start(new URL('http/server.js', import.meta.url), kind, String(routes), peersManifest());
}

async function compare(ours: string, bare: string, routes: number, limit: number | undefined): Promise<Row> {
  const [mine, peer] = [await serverOf(ours, routes), await serverOf(bare, routes)];
  const asked = { paths: Array.from({ length: routes }, (_, index) => `/hello${index}/bob`), requests: REQUESTS };
  const samples = await inTurns(
    ROUNDS,
    () => mine.microsPerRequest(asked),
    () => peer.microsPerRequest(asked),
  );
  mine.stop();
  peer.stop();
  return ratioRow(`${ours} / ${bare}, ${routes} ${routes === 1 ? 'route' : 'routes'} (µs CPU)`, samples.ours, samples.peer, limit);
}

// The figures of the frameworks that the bars come from are of Node 24; `--here` stays on the Node that runs this.
if (!process.argv.includes('--here')) onNode24(import.meta.url);
const rows: Row[] = [];
for (const routes of [1, 200]) for (const [ours, bare] of PAIRS) rows.push(await compare(ours, bare, routes, BARS[routes]));
rows.push(await compare('ferrule', 'ferrule-express', 1, 1.05));
for (const peer of ['express', 'nest', 'inversify', 'routing-controllers']) rows.push(await compare(peer, 'express', 1, undefined));
report('http', rows);
