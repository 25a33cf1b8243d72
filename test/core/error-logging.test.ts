import { runInNewContext } from 'node:vm';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { expect } from 'chai';
import { Call, PRINCIPAL, REQUEST_ID, contextLogger, correlationFields, errorRecord, jsonLogger } from '@ferrule/core';
import type { JsonLoggerOptions } from '@ferrule/core';
import { operation, runInContext } from '@ferrule/core/adapter';

function recorder(options: JsonLoggerOptions = {}) {
  const lines: string[] = [];
  const logger = jsonLogger({ write: (line) => lines.push(line), ...options });
  return { lines, logger, last: (): Record<string, unknown> => JSON.parse(lines.at(-1)!) as Record<string, unknown> };
}

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

function callOf(): Call {
  const headers = { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` };
  const call = new Call({ side: 'server', operation: operation('orders', 'GET', '/orders/:id'), params: {}, headers });
  call.values.set(REQUEST_ID, 'r-1');
  call.values.set(PRINCIPAL, { id: 'u-1', secret: 'hunter2' });
  return call;
}

describe('redaction by path', () => {
  it('hides what a path leads to, and that alone', () => {
    const { logger, last } = recorder({ redact: ['user.email', 'items.*.iban', 'list[0]', '*.pan', 'err.message'] });
    logger.info(
      {
        user: { email: 'a@b', name: 'n' },
        email: 'shown',
        items: [{ iban: 'DE1' }, { iban: 'DE2', n: 1 }],
        list: [1, 2],
        card: { pan: '4111', deeper: { pan: 'shown' } },
        err: new Error('hidden'),
      },
      'x',
    );
    const line = last();
    expect(line).to.deep.include({
      user: { email: '[redacted]', name: 'n' },
      email: 'shown',
      items: [{ iban: '[redacted]' }, { iban: '[redacted]', n: 1 }],
      list: ['[redacted]', 2],
      card: { pan: '[redacted]', deeper: { pan: 'shown' } },
    });
    expect(line['err']).to.include({ message: '[redacted]' });
  });

  it('refuses a path with an empty step', () => {
    for (const path of ['a..b', '.a', 'a.', 'a[b]'])
      expect(() => jsonLogger({ redact: [path] }), path).to.throw(TypeError, /is no path. Give keys with dots/);
  });

  it('finds bearer tokens and members of JSON in texts', () => {
    const { logger, lines } = recorder();
    logger.info({ text: 'sent {"password": "hunter2", "user":"u"} with Bearer hunter2abc' }, 'the cut {"apiKey":"hunter2');
    expect(lines[0]).to.not.include('hunter2');
    expect(lines[0]).to.include('\\"user\\":\\"u\\"');
  });
});

describe('errors in a log line', () => {
  it('have their causes five deep, and of an AggregateError its first ten errors', () => {
    const { logger, last } = recorder();
    const deep = Array.from({ length: 9 }, (_, index) => index).reduce<Error>((cause, index) => new Error(`e${index}`, { cause }), new Error('root'));
    for (let error: Error | undefined = deep; error !== undefined; error = error.cause as Error | undefined) error.stack = 's';
    logger.error({ error: deep }, 'x');
    const messages: unknown[] = [];
    for (let one = last()['error'] as { message?: string; cause?: object }; typeof one === 'object'; one = one.cause as typeof one)
      messages.push(one.message);
    expect(messages).to.deep.equal(['e8', 'e7', 'e6', 'e5', 'e4', 'e3']);
    const many = new AggregateError(
      Array.from({ length: 30 }, (_, index) => Object.assign(new Error(String(index)), { stack: 's' })),
      'many',
    );
    logger.error({ error: many }, 'x');
    expect((last()['error'] as { errors: unknown[] }).errors).to.have.length(11);
  });

  it('are known from other realms, end in rings, and hide what is no error', () => {
    const { logger, last, lines } = recorder();
    const foreign = runInNewContext('new Error("elsewhere")') as Error;
    logger.error({ error: foreign }, 'x');
    expect(last()['error']).to.include({ message: 'elsewhere' });
    const ring = new Error('ring');
    ring.cause = ring;
    logger.error({ error: ring }, 'x');
    expect(last()['error']).to.include({ cause: '[circular]' });
    logger.error({ error: new Error('x', { cause: { body: 'hunter2' } }) }, 'x');
    expect(lines.at(-1)).to.not.include('hunter2');
    logger.error({ error: new Error('x', { cause: 'thrown text' }) }, 'x');
    expect(last()['error']).to.include({ cause: 'thrown text' });
  });

  it('cost a bounded time, however wide the tree of them is', () => {
    const { logger, lines } = recorder();
    const leaf = new Error('leaf');
    leaf.stack = 's';
    const tree = Array.from({ length: 8 }).reduce<Error>(
      () =>
        new AggregateError(
          Array.from({ length: 10 }, () => new AggregateError([leaf], 'n')),
          't',
        ),
      leaf,
    );
    logger.error({ error: tree }, 'x');
    expect(Buffer.byteLength(lines[0]!)).to.be.at.most(8_193);
  });

  it('are plain records for other loggers, as a serializer of pino', () => {
    const error = Object.assign(new Error('https://u:hunter2@h'), { config: { password: 'hunter2' }, code: 'E1' });
    const record = errorRecord(error);
    expect(JSON.stringify(record)).to.not.include('hunter2');
    expect(record).to.include({ name: 'Error', code: 'E1' });
    expect(errorRecord(5)).to.equal(5);
  });
});

describe('contextLogger', () => {
  it('adds the fields of the request that the running code works for', () => {
    const { logger, last } = recorder();
    const log = contextLogger(logger);
    log.info({ n: 1 }, 'outside');
    expect(last()).to.have.keys('time', 'level', 'msg', 'n');
    runInContext(callOf(), () => log.warn({ n: 2, operation: 'own' }, 'inside'));
    expect(last()).to.include({ service: 'orders', operation: 'own', requestId: 'r-1', traceId: TRACE, user: 'u-1', n: 2 });
    expect(last()).to.not.have.property('spanId');
    runInContext(callOf(), () => log.error(new Error('x'), 'failed'));
    expect(last()['err']).to.include({ message: 'x' });
  });

  it('gives a mixin of pino fields to write into, outside of a request too', () => {
    // As pino merges what its mixin gave with what a line says; a frozen object would make every line throw.
    for (const fields of [correlationFields(), runInContext(callOf(), correlationFields)])
      expect(Object.assign(fields, { n: 1 })).to.include({ n: 1 });
    expect(correlationFields()).to.deep.equal({});
  });

  it('takes a text alone, and fields that cannot be read', () => {
    const { logger, last } = recorder();
    const log = contextLogger(logger);
    (log.info as unknown as (text: string) => void)('ready');
    expect(last()).to.have.keys('time', 'level', 'msg').and.include({ msg: 'ready' });
    (log.error as unknown as (error: Error) => void)(new Error('boom'));
    expect(last()).to.include({ msg: 'boom' });
    const fail = (): never => {
      throw new Error('unreadable');
    };
    log.info(new Proxy({}, { getPrototypeOf: fail, ownKeys: fail }), 'a proxy');
    expect(last()).to.include({ msg: 'a proxy', fields: '[unreadable]' });
  });

  it('takes trace and span of OpenTelemetry where it records', () => {
    const manager = new AsyncLocalStorageContextManager().enable();
    context.setGlobalContextManager(manager);
    try {
      const span = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 };
      context.with(trace.setSpanContext(context.active(), span), () => {
        expect(correlationFields()).to.deep.equal({ traceId: span.traceId, spanId: span.spanId });
        runInContext(callOf(), () => expect(correlationFields()).to.include({ traceId: span.traceId, spanId: span.spanId, requestId: 'r-1' }));
      });
    } finally {
      context.disable();
    }
  });

  it('refuses what is no logger', () => {
    expect(() => contextLogger({} as never)).to.throw(TypeError, /contextLogger logger: {} has no debug\(\)/);
    expect(() => contextLogger(undefined as never)).to.throw(TypeError);
  });
});
