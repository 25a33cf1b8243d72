// From spawn to listening, and memory after the first answer: a decorated hello, with and without a container, against the peers' and the
// bare framework.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { median, report } from './harness.js';
import type { Row } from './harness.js';
import { onNode24, peersManifest } from './peers.js';

const ROUNDS = 9;
const PEERS = ['nest', 'inversify', 'routing-controllers', 'express'] as const;
const OURS = ['ferrule', 'ferrule, container'] as const;
const KINDS = [...OURS, ...PEERS] as const;
type Kind = (typeof KINDS)[number];
/** Who it has to stay below. The bare framework is there to see what is ours; routing-controllers makes its classes without a container. */
const BARS: Record<(typeof OURS)[number], readonly Kind[]> = {
  ferrule: ['nest', 'inversify', 'routing-controllers'],
  'ferrule, container': ['nest', 'inversify'],
};

interface Start {
  readonly listeningMs: number;
  readonly rssMib: number;
}

async function measure(kind: Kind): Promise<Start> {
  const begun = performance.now();
  const child = fork(fileURLToPath(new URL('startup/app.js', import.meta.url)), [kind, peersManifest()], {
    execArgv: [],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const heard = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      child.once('message', (message) => resolve(message as T));
      child.once('exit', (code) => reject(new Error(`${kind} ended with ${code}`)));
    });
  const { port } = await heard<{ port: number }>();
  const listeningMs = performance.now() - begun;
  const reply = await fetch(`http://127.0.0.1:${port}/hello0/bob`);
  if (JSON.stringify(await reply.json()) !== '{"hello":"bob"}') throw new Error(`${kind} answers something else`);
  const usage = heard<{ rss: number }>();
  child.send('usage');
  const { rss } = await usage;
  child.removeAllListeners('exit');
  child.disconnect();
  return { listeningMs, rssMib: rss / 2 ** 20 };
}

onNode24(import.meta.url);
const measured = new Map<Kind, Start[]>(KINDS.map((kind) => [kind, []]));
for (let round = -1; round < ROUNDS; round++) {
  for (const kind of KINDS) {
    const start = await measure(kind);
    if (round >= 0) measured.get(kind)!.push(start);
  }
}

const rows: Row[] = [];
for (const figure of ['listeningMs', 'rssMib'] as const) {
  for (const own of OURS) {
    const ours = measured.get(own)!.map((start) => start[figure]);
    for (const peer of PEERS) {
      const theirs = measured.get(peer)!.map((start) => start[figure]);
      rows.push({
        id: `${figure === 'listeningMs' ? 'spawn to listening (ms)' : 'RSS after the first answer (MiB)'}, ${own} / ${peer}`,
        unit: '× peer',
        value: median(ours) / median(theirs),
        ...(BARS[own].includes(peer) && { op: '<=' as const, limit: 1 }),
        samples: { ours, peer: theirs },
      });
    }
  }
}
report('startup', rows);
