// Five wrappers around one handler against five koa-compose middleware with the same bodies.
import { createRequire } from 'node:module';
import { Call, Reply, compose } from '@ferrule/core';
import type { Wrapper } from '@ferrule/core';
import { operation } from '@ferrule/core/adapter';
import { ratioRow, report } from './harness.js';
import type { Row } from './harness.js';

type KoaMiddleware = (context: object, next: () => Promise<unknown>) => Promise<unknown>;
// koa-compose has no types and is Koa's own dependency: what is compared is what Koa runs.
const koaCompose = createRequire(createRequire(import.meta.url).resolve('koa'))('koa-compose') as (
  middleware: KoaMiddleware[],
) => (context: object) => Promise<unknown>;

const LAYERS = 5;
const ROUNDS = 15;
const CALLS = 200_000;

const call = new Call({ side: 'server', operation: operation('bench', 'GET', '/') });
const reply = new Reply(200, 'ok');

const passWrapper: Wrapper = (next) => (inner) => next(inner);
const asyncWrapper: Wrapper = (next) => async (inner) => {
  const result = await next(inner);
  return result;
};
const passMiddleware: KoaMiddleware = (_context, next) => next();
const asyncMiddleware: KoaMiddleware = async (_context, next) => {
  const result = await next();
  return result;
};

function ours(wrapper: Wrapper): () => Promise<unknown> {
  const handler = compose(...Array.from({ length: LAYERS }, () => wrapper))(async () => reply);
  return () => handler(call);
}

function koa(middleware: KoaMiddleware): () => Promise<unknown> {
  const stack = koaCompose([...Array.from({ length: LAYERS }, () => middleware), async () => reply]);
  const context = {};
  return () => stack(context);
}

async function nsPerCall(run: () => Promise<unknown>): Promise<number> {
  const start = process.hrtime.bigint();
  for (let index = 0; index < CALLS; index++) await run();
  return Number(process.hrtime.bigint() - start) / CALLS;
}

async function compare(id: string, mine: () => Promise<unknown>, peer: () => Promise<unknown>, limit: number): Promise<Row> {
  const samples = { ours: [] as number[], peer: [] as number[] };
  for (let round = -2; round < ROUNDS; round++) {
    const first = round % 2 === 0;
    const a = await nsPerCall(first ? mine : peer);
    const b = await nsPerCall(first ? peer : mine);
    if (round < 0) continue;
    samples.ours.push(first ? a : b);
    samples.peer.push(first ? b : a);
  }
  return ratioRow(id, samples.ours, samples.peer, limit);
}

report('wrappers', [
  await compare(`${LAYERS} wrappers, return next()`, ours(passWrapper), koa(passMiddleware), 0.75),
  await compare(`${LAYERS} wrappers, async bodies`, ours(asyncWrapper), koa(asyncMiddleware), 1.0),
]);
