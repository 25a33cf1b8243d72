import { expect } from 'chai';
import { ServiceError, jsonLogger } from '@ferrule/core';
import type { JsonLoggerOptions } from '@ferrule/core';
import { manualClock } from '@ferrule/testing';

interface Line {
  readonly time: string;
  readonly level: string;
  readonly msg: string;
  readonly cut?: true;
  readonly [field: string]: unknown;
}

function recorder(options: JsonLoggerOptions = {}) {
  const lines: string[] = [];
  const logger = jsonLogger({ write: (line) => lines.push(line), clock: manualClock(), ...options });
  return { lines, logger, last: (): Line => JSON.parse(lines.at(-1)!) as Line };
}

describe('jsonLogger', () => {
  it('writes one JSON object a line: time, level, msg, then the fields', () => {
    const { lines, logger } = recorder({ fields: { service: 'orders' } });
    logger.warn({ instance: 'a', waiting: 3 }, 'slow');
    expect(lines).to.deep.equal(['{"time":"2026-01-01T00:00:00.000Z","level":"warn","msg":"slow","service":"orders","instance":"a","waiting":3}\n']);
  });

  it('writes from its level upwards, and nothing at silent', () => {
    for (const [level, written] of [
      ['debug', 4],
      ['info', 3],
      ['warn', 2],
      ['error', 1],
      ['silent', 0],
    ] as const) {
      const { lines, logger } = recorder({ level });
      for (const one of ['debug', 'info', 'warn', 'error'] as const) logger[one]({}, 'x');
      expect(lines, level).to.have.length(written);
    }
  });

  it('takes a text alone and an error alone, as pino does', () => {
    const { logger, last } = recorder();
    const loose = logger as unknown as Record<'info', (first?: unknown, second?: unknown) => void>;
    loose.info('ready');
    expect(last()).to.deep.equal({ time: last().time, level: 'info', msg: 'ready' });
    loose.info(new Error('boom'));
    expect(last()).to.deep.include({ msg: 'boom' });
    expect(last()['err']).to.include({ message: 'boom' });
    loose.info();
    expect(last().msg).to.equal('');
    loose.info([1], 'x');
    expect(last()['items']).to.deep.equal([1]);
  });

  it('loses no line to a message or fields that cannot be read', () => {
    const { logger, last } = recorder();
    const fail = (): never => {
      throw new Error('unreadable');
    };
    logger.info({ a: 1 }, { toString: fail } as unknown as string);
    expect(last()).to.include({ msg: '[unreadable]', a: 1 });
    logger.info(new Proxy({}, { getPrototypeOf: fail, ownKeys: fail, get: fail }), 'a proxy');
    expect(last()).to.include({ msg: 'a proxy', fields: '[unreadable]' });
  });

  it('redacts by a path what stands under a key with dots too, and with a message its copy in the stack', () => {
    const { lines, logger, last } = recorder({ redact: ['user.email', 'items.*.card.pan', 'error.message', 'error.cause.message'] });
    logger.info({ 'user.email': 'SECRET', user: { email: 'SECRET', name: 'n' }, items: [{ 'card.pan': 'SECRET' }], 'user.name': 'n' }, 'x');
    expect(last()).to.include({ 'user.email': '[redacted]', 'user.name': 'n' });
    logger.error({ error: new Error('SECRET\nSECRET', { cause: new Error('SECRET') }) }, 'x');
    expect((last()['error'] as { stack: string }).stack).to.match(/^\[redacted\]\n {4}at /);
    expect(lines.join('')).to.not.include('SECRET');
  });

  it('says which option is wrong and what would be right', () => {
    expect(() => jsonLogger({ level: 'loud' as 'info' })).to.throw(
      TypeError,
      /level: "loud" is unknown. Use one of debug, info, warn, error, silent/,
    );
    expect(() => jsonLogger({ write: 5 as unknown as () => void })).to.throw(TypeError, /write: 5 is no function/);
    expect(() => jsonLogger({ redact: [''] })).to.throw(TypeError, /redact: an empty text/);
  });

  it('keeps a forged message on one line and lets no control character, separator or direction mark through', () => {
    const { lines, logger, last } = recorder();
    const message = 'a\nERROR fake\u001b[2J\u009b2J\u007f\u2028\u2029\u202e\ufeff\u0000';
    logger.info({ '\u001bkey\n': message }, message);
    expect(lines).to.have.length(1);
    expect(lines[0]!.slice(0, -1)).to.match(/^[\x20-\x7e]*$/);
    expect(last().msg).to.equal(message);
    expect(last()['\u001bkey\n']).to.equal(message);
  });

  const SECRETS = [
    'password',
    'userPassword',
    'Authorization',
    'x-api-key',
    'API_KEY',
    'set-cookie',
    'X-Consul-Token',
    'client_secret',
    'accessToken',
    'private.key',
    'pwd',
    'credentials',
  ];
  for (const key of SECRETS) {
    it(`redacts ${key} at any depth`, () => {
      const { lines, logger } = recorder();
      logger.info({ [key]: 'hunter2', headers: { [key]: 'hunter2' }, list: [{ [key]: { deep: 'hunter2' } }], map: new Map([[key, 'hunter2']]) }, 'x');
      expect(lines[0]).to.not.include('hunter2');
      expect(lines[0]!.split('[redacted]')).to.have.length(5);
    });
  }

  it('leaves harmless keys alone', () => {
    const { logger, last } = recorder();
    logger.info({ status: 'pass', pass: 3, author: 'x', design: 'y', opinion: 'z' }, 'x');
    expect(last()).to.include({ status: 'pass', pass: 3, author: 'x', design: 'y', opinion: 'z' });
  });

  const URLS: readonly (readonly [text: string, written: string])[] = [
    ['https://user:pw@h/x?token=abc', 'https://[redacted]@h/x?token=[redacted]'],
    ['postgres://u:p@h/db', 'postgres://[redacted]@h/db'],
    ['postgres://u:p@ss@h:5432/db?sslmode=require', 'postgres://[redacted]@h:5432/db?sslmode=require'],
    ['mongodb+srv://u:p@a,b/db', 'mongodb+srv://[redacted]@a,b/db'],
    ['redis://:secret@h:6379', 'redis://[redacted]@h:6379'],
    ['connect to amqp://u:p@h failed, then to amqp://u:p@i', 'connect to amqp://[redacted]@h failed, then to amqp://[redacted]@i'],
    ['/callback?code=abc&state=1#access_token=def', '/callback?code=[redacted]&state=1#access_token=[redacted]'],
    ['https://s3/x?X-Amz-Credential=a&X-Amz-Signature=b&n=1', 'https://s3/x?X-Amz-Credential=[redacted]&X-Amz-Signature=[redacted]&n=1'],
    ['https://maps/x?key=abc&q=a@b', 'https://maps/x?key=[redacted]&q=a@b'],
    ['https://h/@scope/name?page=2&sort=key', 'https://h/@scope/name?page=2&sort=key'],
    ['a = b?', 'a = b?'],
  ];
  for (const [text, written] of URLS) {
    it(`writes ${text} as ${written}`, () => {
      const { lines, logger } = recorder();
      logger.info({ url: text, at: { deep: [text] }, err: new Error(text) }, text);
      const line = JSON.parse(lines[0]!) as { msg: string; url: string; at: { deep: string[] }; err: { message: string; stack: string } };
      expect([line.msg, line.url, line.at.deep[0], line.err.message]).to.deep.equal([written, written, written, written]);
      if (text !== written) expect(line.err.stack).to.not.include(text);
    });
  }

  it('takes credentials out before a long text is cut, wherever the cut falls', () => {
    const { lines, logger } = recorder();
    for (const length of [8_150, 8_180, 8_190, 16_370, 40_000])
      logger.info({ text: `${'x'.repeat(length)} postgres://u:${'hunter2'.repeat(10)}@h/db` }, 'x');
    expect(lines.join('')).to.not.include('hunter');
  });

  it('redacts what the caller names too: words and patterns, sticky and global ones included', () => {
    const { lines, logger } = recorder({ redact: ['iban', /^card\d$/g] });
    logger.info({ customerIban: 'v1', card1: 'v2' }, 'x');
    logger.info({ card1: 'v3', card2: 'v4' }, 'x');
    expect(lines.join('')).to.not.match(/v[1-4]/);
  });

  it('writes an error with code, stack and causes, and none of its other fields', () => {
    const { lines, logger, last } = recorder();
    const cause = Object.assign(new Error('connect'), { code: 'ECONNREFUSED', config: { headers: { 'x-auth': 'hunter2' } } });
    logger.error({ err: new ServiceError('UNAVAILABLE', 'down', { reason: 'CONNECT_FAILED', cause }) }, 'failed');
    const err = last()['err'] as Record<string, unknown>;
    expect(err).to.include({ name: 'ServiceError', message: 'down', code: 'UNAVAILABLE', reason: 'CONNECT_FAILED', status: 503 });
    expect(err['stack']).to.be.a('string');
    expect(err['cause']).to.include({ message: 'connect', code: 'ECONNREFUSED' });
    expect(lines[0]).to.not.include('hunter2');
  });

  it('takes an error where fields belong', () => {
    const { logger, last } = recorder();
    logger.error(new Error('x'), 'failed');
    expect(last()['err']).to.include({ message: 'x' });
  });

  it('lets no field replace time, level or msg', () => {
    const { logger, last } = recorder();
    logger.info({ time: 1, level: 'fake', msg: 'fake' }, 'real');
    expect(last()).to.include({ level: 'info', msg: 'real', level_: 'fake', msg_: 'fake', time_: 1 });
  });

  it('survives every kind of value: cycles, throwing getters, BigInt, symbols, dates, bytes, proxies', () => {
    const { logger, last } = recorder();
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    const hostile = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('no');
        },
      },
    );
    logger.info(
      {
        loop,
        get bad(): string {
          throw new Error('no');
        },
        big: 10n,
        sym: Symbol('s'),
        when: new Date(0),
        never: new Date(NaN),
        bytes: Buffer.alloc(9),
        nan: NaN,
        set: new Set([1]),
        fn: function named() {},
        state: true,
        none: undefined,
        nil: null,
        hostile,
        json: { toJSON: () => ({ token: 't', ok: 1 }) },
        twice: [loop, loop],
      },
      'x',
    );
    const line = last();
    expect(line['loop']).to.deep.equal({ self: '[circular]' });
    expect(line).to.include({
      bad: '[unreadable]',
      big: '10',
      sym: 'Symbol(s)',
      when: '1970-01-01T00:00:00.000Z',
      never: 'Invalid Date',
      bytes: '[9 bytes]',
      nan: 'NaN',
      fn: '[function named]',
      nil: null,
      hostile: '[unreadable]',
    });
    expect(line['json']).to.deep.equal({ token: '[redacted]', ok: 1 });
    expect(line['set']).to.deep.equal([1]);
    expect(line['twice']).to.deep.equal([{ self: '[circular]' }, { self: '[circular]' }]);
    expect(line).to.not.have.property('none');
  });

  it('does not let a key called __proto__ change anything', () => {
    const { logger, lines } = recorder();
    const fields = JSON.parse('{"__proto__":{"polluted":1},"a":1}') as Record<string, unknown>;
    logger.info(fields, 'x');
    expect(({} as { polluted?: number }).polluted).to.equal(undefined);
    expect(lines[0]).to.include('"a":1');
  });

  const HUGE: readonly (readonly [string, object, string])[] = [
    ['a message of a megabyte', {}, 'm'.repeat(1_000_000)],
    ['a field of a megabyte', { text: 'x'.repeat(1_000_000) }, 'x'],
    ['characters that take six bytes each', { text: '\u2028'.repeat(100_000) }, '\u2028'.repeat(100_000)],
    ['a wide object', Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`key${index}`, 'y'.repeat(500)])), 'x'],
    ['a long list', { list: Array.from({ length: 100_000 }, () => 'z'.repeat(300)) }, 'x'],
    ['long keys', Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`${index}${'k'.repeat(5000)}`, 1])), 'x'],
    ['a deep object', Array.from({ length: 5000 }).reduce<object>((inner) => ({ inner }), {}), 'x'],
    ['an error with a long stack', { err: Object.assign(new Error('e'.repeat(50_000)), { stack: 's'.repeat(100_000) }) }, 'x'],
    [
      'a wide tree of long leaves',
      { tree: Array.from({ length: 20 }, () => Array.from({ length: 20 }, () => Array.from({ length: 20 }, () => 'leaf'.repeat(30)))) },
      'x',
    ],
    ['a wide tree', { tree: Array.from({ length: 50 }, () => Array.from({ length: 50 }, () => Array.from({ length: 50 }, () => 'leaf'))) }, 'x'],
  ];
  for (const [name, fields, message] of HUGE) {
    it(`cuts to 8 KB and stays JSON: ${name}`, () => {
      const { lines, logger, last } = recorder();
      logger.error(fields, message);
      expect(Buffer.byteLength(lines[0]!)).to.be.at.most(8193);
      expect(last().level).to.equal('error');
      expect(lines[0]!.endsWith('}\n')).to.equal(true);
    });
  }

  it('marks a line that was cut', () => {
    const { logger, last } = recorder();
    logger.info({ text: 'x'.repeat(9000) }, 'kept');
    expect(last().cut).to.equal(true);
    expect(last().msg).to.equal('kept');
    logger.info({ text: 'x'.repeat(100) }, 'kept');
    expect(last()).to.not.have.property('cut');
  });

  it('never throws, even when nothing can be written', () => {
    const logger = jsonLogger({
      write: () => {
        throw new Error('EPIPE');
      },
    });
    expect(() => logger.info({}, 'x')).to.not.throw();
  });

  it('writes to standard error by default, so that output stays output', () => {
    const lines: unknown[] = [];
    const original = process.stderr.write;
    process.stderr.write = (line: unknown) => lines.push(line) > 0;
    try {
      jsonLogger().info({}, 'to stderr');
    } finally {
      process.stderr.write = original;
    }
    expect(String(lines[0])).to.include('"msg":"to stderr"');
  });
});
