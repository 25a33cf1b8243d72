import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { expect } from 'chai';
import { monitor } from '@ferrule/core';
import type { Check, Monitor, MonitorOptions } from '@ferrule/core';
import { healthHandler } from '@ferrule/core/adapter';
import { manualClock, rawRequest, requestBytes } from '@ferrule/testing';
import type { RawReply } from '@ferrule/testing';

/** A check that waits until it is told how it went. */
function scripted(name: string, more: Partial<Check> = {}) {
  const runs: { signal: AbortSignal; resolve: (value?: unknown) => void; reject: (error: unknown) => void }[] = [];
  const check: Check = {
    name,
    run: ({ signal }) => new Promise((resolve, reject) => runs.push({ signal, resolve, reject })),
    ...more,
  };
  return { check, runs };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('monitor', () => {
  it('asks each check once for a thousand probes at the same time, and gives all of them its answer', async () => {
    const db = scripted('db');
    const cache = scripted('cache');
    const health = monitor({ checks: [db.check, cache.check], clock: manualClock() });
    const probes = Array.from({ length: 1_000 }, () => health.ready());
    await turn();
    expect([db.runs.length, cache.runs.length]).to.deep.equal([1, 1]);
    db.runs[0]!.resolve();
    cache.runs[0]!.reject(new Error('down'));
    const reports = await Promise.all(probes);
    expect(reports.every((report) => report.status === 'fail')).to.equal(true);
    expect([db.runs.length, cache.runs.length]).to.deep.equal([1, 1]);
  });

  it('uses an answer again for cacheFor, and asks anew after that', async () => {
    const clock = manualClock();
    let runs = 0;
    const health = monitor({ checks: [{ name: 'db', run: () => void runs++, cacheFor: '2s' }], clock });
    await health.ready();
    await clock.advance(1_999);
    await health.ready();
    expect(runs).to.equal(1);
    await clock.advance(1);
    await health.ready();
    expect(runs).to.equal(2);
    expect(clock.pending).to.equal(0);
  });

  it('asks anew every time when cacheFor is 0', async () => {
    let runs = 0;
    const health = monitor({ checks: [{ name: 'db', run: () => void runs++, cacheFor: 0 }], clock: manualClock() });
    await health.ready();
    await health.ready();
    expect(runs).to.equal(2);
  });

  it('answers timeout for a check that hangs, aborts its signal, and does not start it again until it has ended', async () => {
    const clock = manualClock();
    const db = scripted('db', { timeout: 800, cacheFor: 1_000 });
    const health = monitor({ checks: [db.check], clock });
    const first = health.ready();
    await clock.advance(800);
    expect((await first).checks[0]).to.include({ status: 'fail', output: 'timeout', durationMs: 800 });
    expect(db.runs[0]!.signal.aborted).to.equal(true);
    await clock.advance(10_000);
    expect((await health.ready()).checks[0]).to.include({ status: 'fail', output: 'timeout' }); // at once: nothing advances the clock here
    expect(db.runs.length).to.equal(1);

    db.runs[0]!.resolve(); // too late: dropped
    await turn();
    const next = health.ready();
    await turn();
    expect(db.runs.length).to.equal(2);
    db.runs[1]!.resolve();
    expect((await next).status).to.equal('pass');
  });

  const failures: readonly (readonly [string, () => unknown, string])[] = [
    [
      'throws an error',
      () => {
        throw new TypeError('secret');
      },
      'TypeError',
    ],
    ['rejects with a code', () => Promise.reject(Object.assign(new Error('secret'), { code: 'ECONNREFUSED' })), 'ECONNREFUSED'],
    [
      'throws text',
      () => {
        throw 'secret text';
      },
      'string',
    ],
    [
      'throws null',
      () => {
        throw null;
      },
      'object',
    ],
    [
      'throws undefined',
      () => {
        throw undefined;
      },
      'undefined',
    ],
    [
      'rejects with an object whose fields throw',
      () =>
        Promise.reject({
          get code() {
            throw new Error('no');
          },
        }),
      'Error',
    ],
    [
      'throws an error with a name that is no token',
      () => {
        throw Object.assign(new Error('x'), { name: 'a\r\nset-cookie: x' });
      },
      'Error',
    ],
    ['gives false', () => false, 'false'],
    ['gives a reply of 400 or more', () => ({ status: 503 }), 'status 503'],
    ['says fail', () => ({ status: 'fail', output: 'replica lag' }), 'replica lag'],
    ['says fail at length', () => ({ status: 'fail', output: 'x'.repeat(10_000) }), 'x'.repeat(256)],
  ];
  for (const [what, run, output] of failures) {
    it(`fails, and says no more than its code or name, when a check ${what}`, async () => {
      const health = monitor({
        checks: [
          { name: 'good', run: () => 1 },
          { name: 'bad', run },
        ],
        clock: manualClock(),
      });
      const report = await health.ready();
      expect(report.status).to.equal('fail');
      expect(report.checks.map(({ name, status, output: said }) => [name, status, said])).to.deep.equal([
        ['good', 'pass', undefined],
        ['bad', 'fail', output],
      ]);
    });
  }

  for (const [what, result] of [
    ['nothing', undefined],
    ['null', null],
    ['zero', 0],
    ['a row', { rows: [] }],
    ['a reply below 400', { status: 204 }],
    ['pass', { status: 'pass' }],
  ] as const) {
    it(`passes when a check gives ${what}`, async () => {
      expect((await monitor({ checks: [{ name: 'a', run: () => result }], clock: manualClock() }).ready()).status).to.equal('pass');
    });
  }

  it('warns when a check that is not critical fails, and when a check says warn', async () => {
    const soft = monitor({ checks: [{ name: 'cache', critical: false, run: () => false }], clock: manualClock() });
    expect((await soft.ready()).status).to.equal('warn');
    const said = monitor({ checks: [{ name: 'disk', run: () => ({ status: 'warn', output: '91 % full' }) }], clock: manualClock() });
    expect((await said.ready()).checks[0]).to.include({ status: 'warn', output: '91 % full' });
  });

  it('runs at most `concurrency` checks at a time, and gives the place of a hung one to the next', async () => {
    const clock = manualClock();
    const hung = Array.from({ length: 3 }, (_, index) => scripted(`hung${index}`, { timeout: 100 }));
    const late = scripted('late', { timeout: 1_000 });
    const health = monitor({ checks: [...hung.map(({ check }) => check), late.check], concurrency: 3, clock });
    const report = health.ready();
    await turn();
    expect([...hung.map(({ runs }) => runs.length), late.runs.length]).to.deep.equal([1, 1, 1, 0]);
    await clock.advance(100);
    expect(late.runs.length).to.equal(1);
    late.runs[0]!.resolve();
    expect((await report).checks.map(({ status }) => status)).to.deep.equal(['fail', 'fail', 'fail', 'pass']);
  });

  it('times a check out while it still waits for a place, and never starts it then', async () => {
    const clock = manualClock();
    const slow = scripted('slow', { timeout: 1_000 });
    const queued = scripted('queued', { timeout: 100 });
    const health = monitor({ checks: [slow.check, queued.check], concurrency: 1, clock });
    const report = health.ready();
    await clock.advance(100);
    slow.runs[0]!.resolve();
    expect((await report).checks.map(({ status, output }) => [status, output])).to.deep.equal([
      ['pass', undefined],
      ['fail', 'timeout'],
    ]);
    expect(queued.runs.length).to.equal(0);
    await clock.advance(1_000);
    const next = health.ready();
    await turn();
    slow.runs[1]!.resolve();
    await turn();
    expect(queued.runs.length).to.equal(1);
    queued.runs[0]!.resolve();
    expect((await next).status).to.equal('pass');
  });

  it('answers the four questions by readiness: live never fails, startup stays passed once it was ready', async () => {
    let ok = false;
    const health = monitor({ checks: [{ name: 'db', run: () => ok, cacheFor: 0 }], clock: manualClock() });
    const answers = async () =>
      Promise.all([health.live(), health.startup(), health.ready(), health.all()].map(async (report) => (await report).status));
    health.moveTo('starting');
    expect(await answers()).to.deep.equal(['pass', 'fail', 'fail', 'fail']);
    health.moveTo('ready');
    expect(await answers()).to.deep.equal(['pass', 'fail', 'fail', 'fail']);
    ok = true;
    expect(await answers()).to.deep.equal(['pass', 'pass', 'pass', 'pass']);
    ok = false;
    expect(await answers()).to.deep.equal(['pass', 'pass', 'fail', 'fail']);
    ok = true;
    health.moveTo('draining');
    expect(await answers()).to.deep.equal(['pass', 'pass', 'fail', 'fail']);
  });

  it('asks no check for live, nor for ready while starting or draining', async () => {
    let runs = 0;
    const health = monitor({ checks: [{ name: 'db', run: () => void runs++ }], clock: manualClock() });
    await health.live();
    health.moveTo('starting');
    await health.ready();
    health.moveTo('draining');
    await health.ready();
    expect(runs).to.equal(0);
    await health.all();
    expect(runs).to.equal(1);
  });

  it('does not report ready when it began to drain while the checks ran', async () => {
    const db = scripted('db');
    const health = monitor({ checks: [db.check], clock: manualClock() });
    const report = health.ready();
    await turn();
    health.moveTo('draining');
    db.runs[0]!.resolve();
    expect((await report).status).to.equal('fail');
  });

  it('adds and removes checks', async () => {
    const health = monitor({ clock: manualClock() });
    const remove = health.add({ name: 'db', run: () => false });
    expect((await health.ready()).status).to.equal('fail');
    expect(health.checks).to.deep.equal(['db']);
    expect(() => health.add({ name: 'db', run: () => true })).to.throw(TypeError, /name db is taken/);
    remove();
    expect((await health.ready()).status).to.equal('pass');
  });

  const mistakes: readonly (readonly [string, MonitorOptions, RegExp])[] = [
    ['a path without a slash', { path: 'health' }, /path: "health"/],
    ['a path with a slash at the end', { path: '/health/' }, /path: "\/health\/"/],
    ['the root as path', { path: '/' }, /path: "\/"/],
    ['unknown details', { showDetails: 'sometimes' as 'never' }, /showDetails: sometimes/],
    ['an authorizer that is missing', { showDetails: 'when-authorized' }, /authorize: undefined/],
    ['no place', { concurrency: 0 }, /concurrency: 0/],
    ['a check without run', { checks: [{ name: 'db' } as Check] }, /no check/],
    ['a check without a name', { checks: [{ name: '', run: () => 1 }] }, /check name/],
    ['a timeout without a unit', { checks: [{ name: 'db', run: () => 1, timeout: '5' }] }, /timeout of check db/],
    [
      'two checks of one name',
      {
        checks: [
          { name: 'db', run: () => 1 },
          { name: 'db', run: () => 1 },
        ],
      },
      /name db is taken/,
    ],
    ['a bad retryAfter', { retryAfter: -1 }, /retryAfter/],
  ];
  for (const [what, options, message] of mistakes) {
    it(`refuses ${what} at construction`, () => expect(() => monitor(options)).to.throw(message));
  }
});

describe('health routes', () => {
  let server: Server;
  let health: Monitor;
  let asked: string[];
  let cache: boolean;

  const start = async (options: MonitorOptions = {}): Promise<void> => {
    cache = true;
    asked = [];
    health = monitor({ checks: [{ name: 'cache', critical: false, cacheFor: 0, run: () => cache }], ...options });
    const handler = healthHandler(health, (question) => asked.push(question));
    server = createServer((req, res) => {
      if (!handler(req, res)) res.writeHead(299).end('the app');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  };
  const send = (method: string, target: string, headers: Record<string, string> = {}): Promise<RawReply> =>
    rawRequest(
      { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
      requestBytes(method, target, { connection: 'close', ...headers }),
    );
  afterEach(() => server.close());

  for (const [target, status] of [
    ['/health', 200],
    ['/health/', 200],
    ['/health?x=1', 200],
    ['/health/?x=1', 200],
    ['/health/live', 200],
    ['/health/live/', 200],
    ['/health/ready', 200],
    ['/health/ready?a=b&c', 200],
    ['/health/startup', 200],
    ['/', 299],
    ['/healthy', 299],
    ['/health/other', 299],
    ['/health//', 299],
    ['//health', 299],
    ['/health/../admin', 299],
    ['/health/../health', 299],
    ['/health/./live', 299],
    ['/health/live/x', 299],
    ['/health%2flive', 299],
    ['/%68ealth', 299],
    ['/HEALTH', 299],
    ['/x/health', 299],
    ['/x?/health', 299],
    ['http://evil/health', 299],
    ['*', 299],
    ['/health#x', 299],
    ['/health/constructor', 299],
  ] as const) {
    it(`GET ${target} is ${status === 299 ? 'left to the app' : 'answered'}`, async () => {
      await start();
      expect((await send('GET', target)).status).to.equal(status);
    });
  }

  it('answers the one word and nothing else, uncached, as health+json, to HEAD without the body', async () => {
    await start();
    const get = await send('GET', '/health');
    expect(get.text).to.equal('{"status":"pass"}');
    for (const reply of [get, await send('HEAD', '/health')]) {
      expect([
        reply.status,
        reply.header('content-type'),
        reply.header('cache-control'),
        reply.header('x-content-type-options'),
        reply.header('content-length'),
      ]).to.deep.equal([200, 'application/health+json', 'no-store', 'nosniff', '17']);
    }
    expect((await send('HEAD', '/health')).text).to.equal('');
  });

  it('never answers HTML, whatever is accepted', async () => {
    await start();
    expect((await send('GET', '/health', { accept: 'text/plain, text/*, */*' })).header('content-type')).to.equal('application/health+json');
  });

  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    it(`refuses ${method} with 405 and Allow`, async () => {
      await start();
      const reply = await send(method, '/health/live');
      expect([reply.status, reply.header('allow'), reply.header('content-type')]).to.deep.equal([405, 'GET, HEAD', 'application/problem+json']);
      expect(asked).to.deep.equal([]);
    });
  }

  it('while starting and draining: ready 503 with Retry-After, live 200', async () => {
    await start({ retryAfter: '1500ms' });
    for (const readiness of ['starting', 'draining'] as const) {
      health.moveTo(readiness);
      const ready = await send('GET', '/health/ready');
      expect([ready.status, ready.header('retry-after'), ready.text]).to.deep.equal([503, '2', '{"status":"fail"}']);
      expect((await send('GET', '/health/live')).status).to.equal(200);
      expect((await send('GET', '/health')).status).to.equal(503);
    }
    expect(asked).to.deep.equal(['ready', 'live', 'all', 'ready', 'live', 'all']);
  });

  it('warn is 200, and 429 for those who ask by ?warn=429', async () => {
    await start();
    cache = false;
    const table: [string, number][] = [];
    for (const query of ['', '?warn=429', '?a&warn=429', '?warn=200', '?xwarn=429'])
      table.push([query, (await send('GET', `/health/ready${query}`)).status]);
    expect(table).to.deep.equal([
      ['', 200],
      ['?warn=429', 429],
      ['?a&warn=429', 429],
      ['?warn=200', 200],
      ['?xwarn=429', 200],
    ]);
    expect((await send('GET', '/health/ready')).text).to.equal('{"status":"warn"}');
  });

  it('shows details only to whom they are due, and an error message to nobody', async () => {
    const secret = (): never => {
      throw new Error('postgres://user:hunter2@db');
    };
    await start({
      checks: [{ name: '__proto__', run: secret }],
      showDetails: 'when-authorized',
      authorize: (req) => req.headers.authorization === 'Bearer t',
    });
    expect((await send('GET', '/health')).text).to.equal('{"status":"fail"}');
    const shown = await send('GET', '/health', { authorization: 'Bearer t' });
    expect(shown.text).to.not.contain('hunter2');
    const body = JSON.parse(shown.text) as { status: string; notes: string[] };
    expect([body.status, body.notes]).to.deep.equal(['fail', ['ready']]);
    expect(shown.text).to.contain('"__proto__":[{"status":"fail"').and.to.contain('"output":"Error"');
  });

  it('an authorizer that throws is a no', async () => {
    await start({ showDetails: 'when-authorized', authorize: () => JSON.parse('{') as boolean });
    expect((await send('GET', '/health')).text).to.equal('{"status":"pass"}');
  });

  it('is 500 when the report itself breaks', async () => {
    await start();
    health.ready = () => Promise.reject(new Error('bug'));
    const reply = await send('GET', '/health/ready');
    expect([reply.status, reply.text]).to.deep.equal([500, '{"status":"fail"}']);
  });

  it('lives where path says', async () => {
    await start({ path: '/internal/health' });
    expect((await send('GET', '/internal/health/live')).status).to.equal(200);
    expect((await send('GET', '/health')).status).to.equal(299);
  });
});
