import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { peersManifest } from '../peers.js';
import type { Contestant } from './contestants.js';
import type { Order } from './worker.js';

/** The young generation holds all that a sample allocates, so that nothing is collected within it. */
const ROOMY = ['--expose-gc', '--min-semi-space-size=256', '--max-semi-space-size=256'];

interface Plan {
  readonly measure: Order['measure'];
  readonly rounds: number;
  /** Calls of one sample. */
  readonly calls: number;
  /** Calls before the first sample, which compile the code. */
  readonly warmUp: number;
}

/**
 * Samples of each contestant, taken in turns: one of each a round, the order reversed every other round. Each runs in a process of its own, so
 * that V8 has seen no other's objects and its code is compiled for this one alone, for us and for the peers alike.
 */
export async function measure<C extends Contestant>(names: readonly C[], plan: (name: C) => Plan): Promise<Readonly<Record<C, number[]>>> {
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<C, number[]>;
  const workers = new Map<C, ChildProcess>();
  try {
    for (const name of names) {
      const { measure: what, warmUp } = plan(name);
      const worker = fork(fileURLToPath(new URL('worker.js', import.meta.url)), [name, peersManifest()], {
        execArgv: what === 'ns' ? [] : ROOMY,
        env: { ...process.env, NODE_ENV: 'production' },
      });
      workers.set(name, worker);
      await heard(name, worker);
      if (warmUp > 0) await ask(name, worker, { measure: 'ns', calls: warmUp });
    }
    const rounds = Math.max(...names.map((name) => plan(name).rounds));
    for (let round = 0; round < rounds; round++) {
      for (const name of round % 2 === 0 ? names : [...names].reverse()) {
        const { measure: what, calls } = plan(name);
        if (round < plan(name).rounds) samples[name].push(await ask(name, workers.get(name)!, { measure: what, calls }));
      }
    }
  } finally {
    for (const worker of workers.values()) worker.kill();
  }
  return samples;
}

async function ask(name: string, worker: ChildProcess, order: Order): Promise<number> {
  const answer = heard(name, worker);
  worker.send(order);
  return (await answer) as number;
}

function heard(name: string, worker: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const failed = (code: number | null): void => reject(new Error(`${name} ended with ${String(code)}`));
    worker.once('exit', failed);
    worker.once('message', (message) => {
      worker.off('exit', failed);
      resolve(message);
    });
  });
}
