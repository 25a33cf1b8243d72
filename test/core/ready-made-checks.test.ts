import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import { createServer as createTcpServer } from 'node:net';
import { expect } from 'chai';
import {
  bandwidthCheck,
  createDirectory,
  createSelector,
  dnsCheck,
  grpcHealthCheck,
  httpCheck,
  memoryRegistry,
  monitor,
  registryCheck,
  serviceCheck,
  sqlCheck,
  tcpCheck,
} from '@ferrule/core';
import type { Check, Discovery } from '@ferrule/core';
import { manualClock } from '@ferrule/testing';
import { a, dnsServer } from '../support/dns-server.js';
import { describeWithEtcd, newEtcd } from '../support/etcd.js';
import type { EtcdServer } from '../support/etcd.js';
import { freePort, listening } from '../support/listening.js';
import type { Listening } from '../support/listening.js';
import { outbound } from './selection-fixtures.js';

const { signal } = new AbortController();

const http = (listener: RequestListener): Promise<Listening> => listening(createServer(listener));

/** The answer of a check as a monitor tells it: the status, and why. */
async function told(check: Check): Promise<string> {
  const health = monitor({ checks: [check] });
  const [{ status, output } = { status: 'none', output: undefined }] = await health.ask();
  health.close();
  return output === undefined ? status : `${status} ${output}`;
}

/** What a check does with its signal: aborts it once `under way` has resolved, and says what came of it. */
async function abortedWhen(check: Check, underWay: () => Promise<unknown>): Promise<void> {
  const controller = new AbortController();
  const run = Promise.resolve(check.run({ signal: controller.signal })).catch((error: unknown) => error);
  await underWay();
  controller.abort(new Error('enough'));
  await run;
}

describe('ready-made checks of others', () => {
  describe('tcpCheck', () => {
    it('passes where somebody accepts, and leaves no connection', async () => {
      await using server = await listening(createTcpServer());
      expect(await told(tcpCheck({ host: '127.0.0.1', port: server.port }))).to.equal('pass');
      await server.idle();
    });

    it('fails where nobody listens, warns of one that is slow', async () => {
      const port = await freePort();
      expect(await told(tcpCheck({ host: '127.0.0.1', port }))).to.equal('fail ECONNREFUSED');
      await using server = await listening(createTcpServer());
      expect(await told(tcpCheck({ host: '127.0.0.1', port: server.port, warnAfter: 0 }))).to.match(/^warn slow: \d+ ms, more than 0 ms$/);
    });

    it('says which option does not fit', () => {
      expect(() => tcpCheck({ host: '', port: 1 })).to.throw(TypeError, 'tcpCheck host: ""');
      expect(() => tcpCheck({ host: 'db' } as never)).to.throw(TypeError, 'tcpCheck port');
      expect(() => tcpCheck({ host: 'db', port: 1, tiemout: 3 } as never)).to.throw(TypeError, 'Did you mean timeout');
      expect(() => tcpCheck({ host: 'db', port: 1, warnAfter: 'soon' })).to.throw(TypeError, 'tcpCheck warnAfter: "soon"');
      expect(() => tcpCheck({ host: 'db', port: 1, groups: ['a b'] })).to.throw(TypeError, 'groups of check tcp db:1');
    });
  });

  describe('dnsCheck', () => {
    it('tells a name that is known from one that is not, too few records, and a server that fails', async () => {
      await using dns = await dnsServer();
      dns.set('db.test', a('10.0.0.1'), a('10.0.0.2'));
      const servers = dns.resolver.getServers();
      expect(await told(dnsCheck({ hostname: 'db.test', servers }))).to.equal('pass');
      expect(await told(dnsCheck({ hostname: 'db.test', servers, atLeast: 3 }))).to.equal('fail 2 records, fewer than 3');
      expect(await told(dnsCheck({ hostname: 'db.test', servers, record: 'AAAA' }))).to.equal('fail ENODATA');
      expect(await told(dnsCheck({ hostname: 'none.test', servers }))).to.equal('fail ENOTFOUND');
      dns.fail('servfail');
      expect(await told(dnsCheck({ hostname: 'db.test', servers }))).to.equal('fail ESERVFAIL');
    });

    it('ends with its signal when no server answers', async () => {
      await using dns = await dnsServer();
      dns.fail('silent');
      const check = dnsCheck({ hostname: 'db.test', servers: dns.resolver.getServers() });
      const controller = new AbortController();
      const run = Promise.resolve(check.run({ signal: controller.signal }));
      controller.abort();
      expect(await run.catch(({ code }: NodeJS.ErrnoException) => code)).to.equal('ECANCELLED');
    });

    it('refuses what is no record or no server', () => {
      expect(() => dnsCheck({ hostname: 'db', record: 'PTRX' as never })).to.throw(TypeError, 'dnsCheck record: "PTRX" is unknown');
      expect(() => dnsCheck({ hostname: 'db', servers: ['nowhere'] })).to.throw(TypeError, 'dnsCheck servers: ["nowhere"]');
    });
  });

  describe('httpCheck', () => {
    it('judges the status, refuses redirects, and looks at the body', async () => {
      let status = 200;
      await using server = await http((_request, response) => response.writeHead(status, { location: '/else' }).end('state=open'));
      const url = `${server.url}/health?a=1`;
      expect(await told(httpCheck({ url }))).to.equal('pass');
      expect(await told(httpCheck({ url, body: (text) => text === 'state=open' }))).to.equal('pass');
      expect(await told(httpCheck({ url, body: (text) => text === 'state=closed' }))).to.equal('fail body');
      expect(await told(httpCheck({ url, warnAfter: 0 }))).to.match(/^warn slow/);
      expect(await told(httpCheck({ url, maxLatency: 0 }))).to.match(/^fail slow/);
      status = 302;
      expect(await told(httpCheck({ url }))).to.equal('fail status 302');
      expect(await told(httpCheck({ url, status: [301, 302] }))).to.equal('pass');
      status = 503;
      expect(await told(httpCheck({ url }))).to.equal('fail status 503');
      await server.idle();
    });

    it('takes no more of a body than 64 KB, and gives a hanging one up with its signal', async () => {
      await using big = await http((_request, response) => {
        const chunk = Buffer.alloc(65_536, 'x');
        const more = (): void => {
          while (response.write(chunk));
          response.once('drain', more);
        };
        more();
      });
      expect(await told(httpCheck({ url: big.url, body: () => true }))).to.equal('fail body');
      await big.idle();
      const hanging = createServer();
      await using server = await listening(hanging);
      await abortedWhen(httpCheck({ url: server.url }), () => once(hanging, 'request'));
      await server.idle();
    });

    it('tells a process that is stopped, where tcpCheck does not', async () => {
      const code = "require('http').createServer((_, r) => r.end()).listen(0, '127.0.0.1', function () { console.log(this.address().port) })";
      const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        const [line] = (await once(child.stdout, 'data')) as [Buffer];
        const port = Number(line.toString());
        const ask = httpCheck({ url: `http://127.0.0.1:${port}`, timeout: 200 });
        expect(await told({ ...ask, timeout: '10s' })).to.equal('pass');
        child.kill('SIGSTOP');
        expect(await told(ask)).to.equal('fail timeout');
        expect(await told(tcpCheck({ host: '127.0.0.1', port, timeout: '10s' }))).to.equal('pass');
      } finally {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    });

    it('refuses a URL with a password without showing it', () => {
      expect(() => httpCheck({ url: 'http://me:hunter2@db/' }))
        .to.throw(TypeError, 'holds a user or a password')
        .that.satisfies((error: Error) => !error.message.includes('hunter2'));
      expect(() => httpCheck({ url: 'ftp://db/' })).to.throw(TypeError, 'httpCheck url: "ftp://db/" does not fit');
      expect(() => httpCheck({ url: 'http://db/', method: 'POST' as never })).to.throw(TypeError, 'method');
    });
  });

  describe('grpcHealthCheck', () => {
    const answering = (answer: (stream: ServerHttp2Stream, request: Buffer, headers: Readonly<Record<string, unknown>>) => void) => {
      const server = createHttp2Server();
      server.on('stream', (stream, headers) => {
        stream.on('error', () => {});
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => answer(stream, Buffer.concat(chunks), headers));
      });
      return server;
    };
    const reply = (stream: ServerHttp2Stream, message: readonly number[], status = '0'): void => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
      stream.end(Buffer.from([0, 0, 0, 0, message.length, ...message]));
    };

    it('reads what the protocol can say, and leaves no connection', async () => {
      let message: readonly number[] = [0x08, 1];
      let asked = '';
      await using server = await listening(
        answering((stream, request, headers) => {
          asked = `${String(headers[':path'])} ${String(headers['authorization'])} ${request.toString('hex')}`;
          reply(stream, message);
        }),
      );
      const check = grpcHealthCheck({ url: server.url, service: 'a.B', metadata: { authorization: 'me' } });
      expect(await told(check)).to.equal('pass');
      expect(asked).to.equal(`/grpc.health.v1.Health/Check me 00000000050a03${Buffer.from('a.B').toString('hex')}`);
      for (const [bytes, said] of [
        [[], 'UNKNOWN'],
        [[0x08, 2], 'NOT_SERVING'],
        [[0x08, 3], 'SERVICE_UNKNOWN'],
        [[0x08, 9], 'status 9'],
        [[0x12, 1, 7, 0x08, 2], 'NOT_SERVING'],
        [[0x08], 'no gRPC'],
        [[0x12, 9, 1], 'no gRPC'],
        [[0x0b], 'no gRPC'],
      ] as const) {
        message = bytes;
        expect(await told(check), said).to.equal(`fail ${said}`);
      }
      await server.idle();
    });

    it('tells a status of gRPC, one of HTTP, and a server of something else', async () => {
      let how = 0;
      await using server = await listening(
        answering((stream) => {
          if (how === 0) stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5' }, { endStream: true });
          else if (how === 1) stream.respond({ ':status': 404 }, { endStream: true });
          else {
            stream.respond({ ':status': 200 });
            stream.end(Buffer.alloc(100_000));
          }
        }),
      );
      const check = grpcHealthCheck({ url: server.url });
      expect(await told(check)).to.equal('fail grpc-status 5');
      how = 1;
      expect(await told(check)).to.equal('fail http 404');
      how = 2;
      expect(await told(check)).to.equal('fail no gRPC');
      await using plain = await http((_request, response) => response.end('hello'));
      expect(await told(grpcHealthCheck({ url: plain.url }))).to.match(/^fail /);
      expect(await told(grpcHealthCheck({ url: `http://127.0.0.1:${await freePort()}` }))).to.equal('fail ECONNREFUSED');
      await server.idle();
      await plain.idle();
    });

    it('gives a server that hangs up with its signal', async () => {
      const hanging = answering(() => hanging.emit('asked'));
      await using server = await listening(hanging);
      await abortedWhen(grpcHealthCheck({ url: server.url }), () => once(hanging, 'asked'));
      await server.idle();
      const silent = createTcpServer();
      await using tcp = await listening(silent);
      await abortedWhen(grpcHealthCheck({ url: tcp.url }), () => once(silent, 'connection'));
      await tcp.idle();
    });

    it('refuses a path and TLS of http', () => {
      expect(() => grpcHealthCheck({ url: 'http://orders:1/path' })).to.throw(TypeError, 'has a path');
      expect(() => grpcHealthCheck({ url: 'http://orders:1', tls: { ca: 'x' } })).to.throw(TypeError, 'the url is http');
    });
  });

  describe('bandwidthCheck', () => {
    it('measures by the clock, takes no more than it may, and closes', async () => {
      await using open = await http((_request, response) => {
        response.on('error', () => {});
        response.write(Buffer.alloc(32_768));
        response.write(Buffer.alloc(1_000_000));
      });
      const rates = async (ms: number): Promise<unknown> => {
        const times = [1_000, 1_000 + ms]; // at the headers, and at the last byte that counts
        const clock = { ...manualClock(), now: () => times.shift()! };
        const check = bandwidthCheck({ url: open.url, warnBelow: 40_000, failBelow: 20_000, maxBytes: 32_768, clock });
        return check.run({ signal });
      };
      expect(await rates(500)).to.deep.equal({ status: 'pass' });
      expect(await rates(1_000_000)).to.have.property('status', 'fail');
      const { status, output } = (await rates(60_000)) as { readonly status: string; readonly output: string };
      expect([status, output.replace(/^[\d.]+/, 'n')]).to.deep.equal(['fail', 'n B/s, less than 19.5 KiB/s']);
      await open.idle();
    });

    it('fails for too few bytes, another status, and nobody there; ends with its signal', async () => {
      let status = 200;
      await using server = await http((_request, response) => response.writeHead(status).end('few'));
      const check = bandwidthCheck({ url: server.url, failBelow: 1 });
      expect(await told(check)).to.equal('fail 3 bytes are too few to measure');
      status = 404;
      expect(await told(check)).to.equal('fail status 404');
      expect(await told(bandwidthCheck({ url: `http://127.0.0.1:${await freePort()}`, failBelow: 1 }))).to.equal('fail ECONNREFUSED');
      const hanging = createServer();
      await using other = await listening(hanging);
      await abortedWhen(bandwidthCheck({ url: other.url, failBelow: 1 }), () => once(hanging, 'request'));
      await other.idle();
    });

    it('refuses limits that would never say anything', () => {
      expect(() => bandwidthCheck({ url: 'http://a' })).to.throw(TypeError, 'neither warnBelow nor failBelow');
      expect(() => bandwidthCheck({ url: 'http://a', warnBelow: 1, failBelow: 2 })).to.throw(TypeError, 'would never warn');
      expect(() => bandwidthCheck({ url: 'http://a', failBelow: 2, maxBytes: 1 })).to.throw(TypeError, 'maxBytes');
    });
  });

  describe('registryCheck and serviceCheck', () => {
    it('is not critical: a registry that is away only warns', async () => {
      await using registry = memoryRegistry();
      expect(await told(registryCheck(registry))).to.equal('pass');
      const away: Pick<Discovery, 'services'> = { services: () => Promise.reject(Object.assign(new Error('secret'), { code: 'ECONNRESET' })) };
      expect(await told(registryCheck(away))).to.equal('warn ECONNRESET');
      expect(await told(registryCheck(away, { critical: true }))).to.equal('fail ECONNRESET');
      expect(() => registryCheck({} as never)).to.throw(TypeError, 'has no services()');
    });

    it('hands the signal to the registry', async () => {
      let given: AbortSignal | undefined;
      await told(registryCheck({ services: async (one) => ((given = one), []) }));
      expect(given).to.be.instanceOf(AbortSignal);
    });

    it('counts the endpoints of a directory that its registry does not call failing', async () => {
      await using registry = memoryRegistry();
      await using directory = createDirectory({ discovery: registry });
      const check = serviceCheck(directory, { service: 'orders', atLeast: 1, warnBelow: 2, cacheFor: 0 });
      expect(await told(check)).to.equal('fail 0 ready, fewer than 1');
      const changed = (): Promise<void> =>
        new Promise((resolve) => {
          const end = directory.onChange(() => {
            end();
            resolve();
          });
        });
      let change = changed();
      await registry.register({ id: 'a', service: 'orders', host: '127.0.0.1', port: 1 });
      await change;
      expect(await told(check)).to.equal('warn 1 ready, fewer than 2');
      change = changed();
      const other = await registry.register({ id: 'b', service: 'orders', host: '127.0.0.1', port: 2 });
      await change;
      expect(await told(check)).to.equal('pass');
      change = changed();
      await other.report('fail');
      await change;
      expect(await told(check)).to.equal('warn 1 ready, fewer than 2');
    });

    it('counts those that a selector may pick', async () => {
      const states = ['ready', 'ejected', 'failing'];
      const check = serviceCheck({ service: 'orders', endpoints: () => states.map((state) => ({ state })) }, { atLeast: 2 });
      expect(check.name).to.equal('service orders');
      expect(await told(check)).to.equal('fail 1 ready, fewer than 2');
      states.push('ready');
      expect(await told(check)).to.equal('pass');
    });

    it('takes a real selector', async () => {
      await using registry = memoryRegistry();
      await registry.register({ id: 'a', service: 'orders', host: '127.0.0.1', port: 1 });
      await using directory = createDirectory({ discovery: registry });
      const selector = createSelector({ service: 'orders', directory });
      await directory.ready('orders');
      const check = serviceCheck(selector);
      expect(await told(check), 'it has not been asked for one yet').to.equal('fail 0 ready, fewer than 1');
      const lease = await selector.select(outbound());
      lease.end({ kind: 'ok', status: 200 });
      expect(await told(check)).to.equal('pass');
      selector.close();
    });

    it('refuses a directory without a name, and limits that do nothing', async () => {
      await using registry = memoryRegistry();
      await using directory = createDirectory({ discovery: registry });
      expect(() => serviceCheck(directory)).to.throw(TypeError, 'a directory has many');
      expect(() => serviceCheck(directory, { service: 'a', atLeast: 3, warnBelow: 2 })).to.throw(TypeError, 'would never warn');
      expect(() => serviceCheck({} as never, { service: 'a' })).to.throw(TypeError, 'has no ready()');
    });
  });

  describe('sqlCheck', () => {
    it('passes with any rows, fails with the code of the driver, warns when slow', async () => {
      expect(await told(sqlCheck(() => Promise.resolve([])))).to.equal('pass');
      const refusing = sqlCheck(() => Promise.reject(Object.assign(new Error('password authentication failed for user "me"'), { code: '28P01' })));
      expect(await told(refusing)).to.equal('fail 28P01');
      const clock = manualClock();
      const slow = sqlCheck(() => clock.advance(300), { warnAfter: '200ms', clock, name: 'orders-db' });
      expect(await told(slow)).to.equal('warn slow: 300 ms, more than 200 ms');
      expect(() => sqlCheck('select 1' as never)).to.throw(TypeError, 'sqlCheck: "select 1" is no function');
    });

    it('asks one that hangs no second time', async () => {
      const clock = manualClock();
      let asked = 0;
      const health = monitor({ clock, checks: [sqlCheck(() => (asked++, new Promise(() => {})), { cacheFor: 0 })] });
      for (let turn = 0; turn < 3; turn++) {
        const answer = health.ask();
        await clock.advance(1_000);
        expect((await answer)[0]).to.include({ status: 'fail', output: 'timeout' });
      }
      expect(asked).to.equal(1);
    });

    it('asks a real database', async function () {
      const since22: string = 'node:sqlite';
      const sqlite: unknown = await import(since22).catch(() => undefined);
      if (sqlite === undefined) return this.skip();
      const { DatabaseSync } = sqlite as { DatabaseSync: new (path: string) => { prepare(sql: string): { get(): unknown }; close(): void } };
      const database = new DatabaseSync(':memory:');
      const check = sqlCheck(() => database.prepare('select 1').get(), { cacheFor: 0 });
      expect(await told(check)).to.equal('pass');
      database.close();
      expect(await told(check)).to.match(/^fail ERR_/);
    });
  });
});

describeWithEtcd('grpcHealthCheck against etcd', () => {
  let etcd: EtcdServer;
  before(async () => {
    etcd = await newEtcd();
    await etcd.start();
  });
  after(() => etcd.stop());

  it('passes, knows no service that is not there, and fails once it has stopped', async () => {
    expect(await told(grpcHealthCheck({ url: etcd.address, timeout: '5s' }))).to.equal('pass');
    expect(await told(grpcHealthCheck({ url: etcd.address, service: 'shop.Orders', timeout: '5s' }))).to.equal('fail grpc-status 5');
    await etcd.stop();
    expect(await told(grpcHealthCheck({ url: etcd.address, timeout: '5s' }))).to.equal('fail ECONNREFUSED');
  });
});
