import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { Call, Reply, client, createService, errorAggregator, errorMonitor, get, jsonLogger } from '@ferrule/core';
import { operation, remoteErrors } from '@ferrule/core/adapter';
import { rawRequest, requestBytes } from '@ferrule/testing';
import type { HttpAdapterSubject } from '@ferrule/testing';
import { fc } from './fast-check.js';
import { inject } from './inject.js';
import { SECRET, remoteAnswers, thrownValues } from './thrown-values.js';

/** How many values, and how many of them over real sockets. */
export interface Amount {
  readonly values: number;
  readonly sockets: number;
}

interface Answered {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

interface Stage extends AsyncDisposable {
  /** One request; whether it goes over a socket. */
  ask(socket: boolean): Promise<Answered>;
  readonly lines: string[];
}

/** Throws all kinds of values in a handler: each is answered, and none of what must stay inside leaves. */
export async function fuzzThrown(subject: HttpAdapterSubject, amount: Amount): Promise<void> {
  let thrown: () => unknown;
  await using stage = await open(subject, () => {
    throw thrown();
  });
  await run(thrownValues, amount, stage, (value) => (thrown = value));
}

/** Lets another service answer all kinds of errors, which a handler lets escape. */
export async function fuzzRemote(subject: HttpAdapterSubject, amount: Amount): Promise<void> {
  let answer: { readonly status: number; readonly type: string; readonly after: string; readonly body: string };
  const headers = (): Record<string, string> => ({
    ...(answer.type !== '' && { 'content-type': answer.type }),
    ...(answer.after !== '' && { 'retry-after': answer.after }),
    'set-cookie': SECRET,
    'www-authenticate': SECRET,
  });
  const upstream = createServer((_req, res) => void res.writeHead(answer.status, headers()).end(answer.body));
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const there = client(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, { retry: false });
  const call = new Call({ side: 'client', operation: operation('users', 'GET', '/x'), endpoint: { id: 'a', origin: 'http://10.0.0.1' } });
  const here = remoteErrors()(() => Promise.resolve(new Reply(answer.status, Buffer.from(answer.body), headers())));
  try {
    await using stage = await open(subject, (socket) => (socket ? there.get('/x') : here(call)));
    await run(remoteAnswers, amount, stage, (value) => (answer = value));
  } finally {
    await there[Symbol.asyncDispose]();
    upstream.closeAllConnections();
    upstream.close();
  }
}

async function run<T>(values: fc.Arbitrary<T>, amount: Amount, stage: Stage, next: (value: T) => unknown): Promise<void> {
  // With source maps a stack takes Node a millisecond, and a log line has many.
  process.setSourceMapsEnabled(false);
  // Drawn beforehand: a property would stop at its time limit, and the state of a service is no part of the values.
  for (const [index, value] of fc.sample(values, { numRuns: amount.values, seed: 20_260_101 }).entries()) {
    next(value);
    const before = stage.lines.length;
    const answered = await stage.ask(index % amount.values < amount.sockets);
    const about = `value ${index}: ${answered.head}`;
    expect(answered.status, about).to.be.within(400, 599);
    expect(answered.head, about).to.not.match(/evil|hunter2/i);
    expect(answered.body, about).to.not.include(SECRET);
    expect(answered.body, about).to.not.include('at Error');
    if (answered.status >= 500) {
      expect(answered.head, about).to.match(/content-type: application\/problem\+json/i);
      expect(JSON.parse(answered.body)).to.include({ status: answered.status });
    }
    expect(Buffer.byteLength(answered.body), about).to.be.at.most(16 * 1024);
    const written = stage.lines.slice(before);
    expect(written.length, about).to.be.at.most(1);
    for (const line of written) {
      expect(line, about).to.not.include(SECRET);
      expect(Buffer.byteLength(line)).to.be.at.most(8_193);
      expect(line.indexOf('\n')).to.equal(line.length - 1);
      expect(JSON.parse(line)).to.include({ level: 'error', operation: 'GET /fail' });
    }
  }
  process.setSourceMapsEnabled(true);
  expect(({} as { polluted?: unknown }).polluted).to.equal(undefined);
}

async function open(subject: HttpAdapterSubject, fail: (socket: boolean) => unknown): Promise<Stage> {
  const lines: string[] = [];
  const app = subject.createApp();
  const monitor = errorMonitor();
  const aggregator = errorAggregator();
  const service = createService({
    name: 'stage',
    adapter: subject.createAdapter(app),
    signals: false,
    logger: jsonLogger({ level: 'error', write: (line) => lines.push(line) }),
    drainDelay: 0,
    wrappers: [
      { wrapper: monitor, before: 'errors' },
      { wrapper: aggregator, before: 'errors' },
    ],
    routes: [get('/fail', (call) => fail(call.header('x-socket') === '1') as Reply)],
  });
  app.useRoutes(service);
  const server: Server = app.createServer();
  service.attach(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { host, port } = await service.start();
  return {
    lines,
    async ask(socket) {
      if (!socket) return inject(server, '/fail');
      const { status, text, fields } = await rawRequest({ host, port }, requestBytes('GET', '/fail', { 'x-socket': '1', connection: 'close' }));
      return { status, body: text, head: Array.from(fields, ([name, values]) => `${name}: ${String(values)}`).join('\n') };
    },
    async [Symbol.asyncDispose]() {
      expect(JSON.stringify([aggregator.report(), monitor.stats()])).to.not.include(SECRET);
      aggregator.close();
      monitor.close();
      await service.stop();
    },
  };
}
