import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import type { Duplex } from 'node:stream';
import { expect } from 'chai';
import { get, silentLogger } from '@ferrule/core';
import type { Call, Logger } from '@ferrule/core';
import { ServerHost, createMountable, systemClock, writeReply } from '@ferrule/core/adapter';
import type { Clock } from '@ferrule/core/adapter';
import { manualClock, rawConnection, rawRequest, requestBytes } from '@ferrule/testing';
import { LARGE, Work, drainCases } from '../support/drain-cases.js';

const health = (req: IncomingMessage, res: ServerResponse): boolean => {
  if (req.url !== '/health/live') return false;
  res.end('alive');
  return true;
};

function hostOf(listener: RequestListener, { clock = systemClock, logger = silentLogger }: { clock?: Clock; logger?: Logger } = {}): ServerHost {
  const host = new ServerHost(listener);
  host.mount({ health, clock, logger });
  return host;
}

function listenerFor(work: Work): RequestListener {
  return (req, res) => {
    if (req.url === '/slow') void work.hold().then(() => res.end('slow'));
    else if (req.url === '/large') res.end(work.large());
    else if (req.url === '/stream') void work.stream(res);
    else if (req.url === '/body') req.on('end', () => res.end('read')).resume();
    else res.end('quick');
  };
}

drainCases('node:http', (work) => hostOf(listenerFor(work)));

drainCases('a server of the app', (work) => {
  const server = createServer(listenerFor(work));
  const host = hostOf(() => expect.fail('the app has a listener of its own'));
  host.attach(server);
  return {
    async listen() {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
    },
    startDraining: () => host.startDraining(),
    close: (signal) => host.close(signal),
  };
});

describe('ServerHost', () => {
  const servers: Server[] = [];
  const listening = async (server: Server): Promise<{ host: string; port: number }> => {
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  };
  afterEach(() => {
    for (const server of servers.splice(0)) server.close().closeAllConnections();
  });

  it('sets the limits of its own servers, and leaves those of the app as they are', async () => {
    const own = hostOf((req, res) => res.end(JSON.stringify(limitsOf(req))));
    const address = await own.listen({ host: '127.0.0.1' });
    expect((await rawRequest(address, requestBytes('GET', '/'))).json()).to.deep.equal([65_000, 15_000, 30_000]);
    await own.close();

    const server = createServer((req, res) => res.end(JSON.stringify(limitsOf(req))));
    const before = [server.keepAliveTimeout, server.headersTimeout, server.requestTimeout];
    const other = hostOf(() => {});
    other.attach(server);
    expect((await rawRequest(await listening(server), requestBytes('GET', '/'))).json()).to.deep.equal(before);
    await other.close();
  });

  for (const [limits, expected] of [
    [{ keepAliveTimeout: 1_000 }, [1_000, 15_000, 30_000]],
    [{ requestTimeout: 10_000 }, [65_000, 10_000, 10_000]],
    [{ requestTimeout: 0 }, [65_000, 15_000, 0]],
    [{ headersTimeout: 20_000, requestTimeout: 60_000 }, [65_000, 20_000, 60_000]],
  ] as const) {
    it(`takes ${JSON.stringify(limits)}`, async () => {
      const host = hostOf((req, res) => res.end(JSON.stringify(limitsOf(req))));
      const address = await host.listen({ host: '127.0.0.1', server: limits });
      expect((await rawRequest(address, requestBytes('GET', '/'))).json()).to.deep.equal(expected);
      await host.close();
    });
  }

  for (const [options, message] of [
    [{ port: 65_536 }, /port: 65536/],
    [{ port: -1 }, /port: -1/],
    [{ server: { keepAliveTimeout: -1 } }, /keepAliveTimeout: -1/],
    [{ server: { stallTimeout: -1 } }, /stallTimeout: -1/],
    [{ server: { headersTimeout: 40_000 } }, /headersTimeout: 40000 ms is above requestTimeout \(30000 ms\)/],
    [{ server: { maxConnections: 1.5 } }, /maxConnections: 1.5/],
  ] as const) {
    it(`refuses ${JSON.stringify(options)}`, async () => {
      const error = await hostOf(() => {})
        .listen(options)
        .catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(RangeError);
      expect((error as Error).message).to.match(message);
    });
  }

  it('rejects with the reason when the port is taken, and can then listen elsewhere', async () => {
    const first = hostOf(() => {});
    const { port } = await first.listen({ host: '127.0.0.1' });
    const second = hostOf((_req, res) => res.end('here'));
    const error = await second.listen({ host: '127.0.0.1', port }).catch((thrown: unknown) => thrown);
    expect((error as NodeJS.ErrnoException).code).to.equal('EADDRINUSE');
    expect((await rawRequest(await second.listen({ host: '127.0.0.1' }), requestBytes('GET', '/'))).text).to.equal('here');
    await Promise.all([first.close(), second.close()]);
  });

  it('does not listen twice, nor after close', async () => {
    const host = hostOf(() => {});
    await host.listen({ host: '127.0.0.1' });
    expect(String(await host.listen().catch((error: unknown) => error))).to.match(/listens already/);
    await host.close();
    expect(String(await hostOf(() => {}).close())).to.equal('undefined');
    expect(() => host.attach(createServer())).to.throw(/was closed/);
  });

  it('answers health before the listeners of the app, also such as came later or first', async () => {
    const seen: string[] = [];
    const server = createServer((req, res) => {
      seen.push(`app ${req.url}`);
      res.end('app');
    });
    const host = hostOf(() => expect.fail());
    host.attach(server);
    host.attach(server); // twice is once
    server.prependListener('request', (req) => seen.push(`first ${req.url}`));
    const address = await listening(server);
    expect((await rawRequest(address, requestBytes('GET', '/health/live'))).text).to.equal('alive');
    expect((await rawRequest(address, requestBytes('GET', '/x'))).text).to.equal('app');
    expect(seen).to.deep.equal(['first /x', 'app /x']);
    await host.close();
  });

  it('serves an attached server that has no listener of its own', async () => {
    const server = createServer();
    const host = hostOf((_req, res) => res.end('ours'));
    host.attach(server);
    expect((await rawRequest(await listening(server), requestBytes('GET', '/'))).text).to.equal('ours');
    await host.close();
  });

  it('gives the server back as it was', async () => {
    const server = createServer();
    const { emit } = server;
    const host = hostOf(() => {});
    host.attach(server);
    await listening(server);
    await host.close();
    expect(server.emit).to.equal(emit);
  });

  it('does not disturb another host in the process', async () => {
    const a = hostOf((_req, res) => res.end('a'));
    const b = hostOf((_req, res) => res.end('b'));
    const [atA, atB] = [await a.listen({ host: '127.0.0.1' }), await b.listen({ host: '127.0.0.1' })];
    const client = await rawConnection(atB);
    client.send(requestBytes('GET', '/'));
    await client.reply();
    a.startDraining();
    await a.close();
    client.send(requestBytes('GET', '/'));
    expect((await client.reply()).header('connection')).to.equal('keep-alive');
    expect(await rawRequest(atA, requestBytes('GET', '/')).catch((error: NodeJS.ErrnoException) => error.code)).to.equal('ECONNREFUSED');
    const closed = b.close();
    await client.closed;
    await closed;
  });

  it('waits for a request that came before it was attached', async () => {
    const work = new Work();
    const server = createServer(listenerFor(work));
    const address = await listening(server);
    const client = await rawConnection(address);
    client.send(requestBytes('GET', '/slow'));
    await work.entered();
    const host = hostOf(() => {});
    host.attach(server);
    let closed = false;
    const closing = host.close().then(() => (closed = true));
    const late = await rawConnection(address).catch((error: NodeJS.ErrnoException) => error.code);
    expect([late, closed]).to.deep.equal(['ECONNREFUSED', false]);
    work.release();
    expect((await client.reply()).text).to.equal('slow');
    await closing;
  });

  it('gets along with an app that closes its server itself', async () => {
    const server = createServer((_req, res) => res.end());
    await listening(server);
    const host = hostOf(() => {});
    host.attach(server);
    server.close();
    await host.close();
  });

  it('gives a new connection 250 ms for its first request', async () => {
    const clock = manualClock();
    const host = hostOf((_req, res) => res.end('served'), { clock });
    const address = await host.listen({ host: '127.0.0.1' });
    const [asking, silent] = [await rawConnection(address), await rawConnection(address)];
    await rawRequest(address, requestBytes('GET', '/')); // by now both are accepted
    const closed = host.close();
    await clock.advance(249);
    asking.send(requestBytes('GET', '/'));
    expect((await asking.reply()).text).to.equal('served');
    expect(silent.socket.closed).to.equal(false);
    await clock.advance(51);
    await silent.closed;
    await closed;
    expect(clock.pending).to.equal(0);
  });

  it('looks after requests with Expect that the app takes with a listener of its own', async () => {
    const work = new Work();
    const server = createServer((_req, res) => void work.hold().then(() => res.end('read')));
    server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
      res.writeContinue();
      server.emit('request', req, res);
    });
    server.on('checkExpectation', (_req: IncomingMessage, res: ServerResponse) => void work.hold().then(() => res.end('as you like')));
    const host = hostOf(() => expect.fail('the app has listeners of its own'));
    host.attach(server);
    const address = await listening(server);
    const connections = [];
    for (const expectation of ['100-continue', 'tea']) {
      const connection = await rawConnection(address);
      connection.send(requestBytes('GET', '/', { expect: expectation }));
      await work.entered();
      connections.push(connection);
    }
    expect(host.open).to.equal(2);
    const closed = host.close();
    work.release();
    const replies = await Promise.all(connections.map((connection) => connection.reply()));
    expect(replies.map((reply) => [reply.text, reply.header('connection')])).to.deep.equal([
      ['read', 'close'],
      ['as you like', 'close'],
    ]);
    await closed;
  });

  it('cuts a client that takes nothing of its reply for a minute, and neither a slow one nor a stream that has nothing to send', async () => {
    const clock = manualClock();
    const work = new Work();
    const host = hostOf(listenerFor(work), { clock });
    const address = await host.listen({ host: '127.0.0.1' });
    const open = async (target: string) => {
      const connection = await rawConnection(address);
      connection.send(requestBytes('GET', target));
      return connection;
    };
    const quiet = await open('/stream');
    await quiet.head();
    await work.entered();
    const slow = await open('/large');
    const stalled = await open('/large');
    for (const { socket } of [slow, stalled]) {
      await work.entered();
      socket.pause();
    }
    let taken = 0;
    slow.socket.on('data', (chunk: Buffer) => (taken += chunk.length));
    for (let look = 0; look < 5; look++) {
      await clock.advance(15_000);
      // The slow one takes a piece that lets its server send more.
      const goal = taken + 2_000_000;
      slow.socket.resume();
      while (taken < goal) await once(slow.socket, 'data');
      slow.socket.pause();
      await rawRequest(address, requestBytes('GET', '/quick'));
    }
    expect(host.open, 'the stalled one is gone').to.equal(2);
    work.release();
    expect(String(await quiet.chunk())).to.equal('first ');
    slow.socket.resume();
    expect((await slow.reply()).text.length).to.equal(LARGE);
    stalled.socket.resume();
    expect((await stalled.reply()).complete).to.equal(false);
    await host.close();
    expect(clock.pending).to.equal(0);
  });

  it("tells the service's logger what is left at the deadline, and which hook failed", async () => {
    const warned: string[] = [];
    const work = new Work();
    const host = hostOf(listenerFor(work), { logger: { ...silentLogger, warn: (_fields, message) => void warned.push(message) } });
    host.onDrain(() => Promise.reject(new Error('x')));
    const client = await rawConnection(await host.listen({ host: '127.0.0.1' }));
    client.send(requestBytes('GET', '/slow'));
    await work.entered();
    await host.close(AbortSignal.abort());
    expect(warned).to.have.members(['The drain deadline has passed: what is left is aborted', 'A drain hook failed']);
  });

  it('carries one service', () => {
    expect(() => hostOf(() => {}).mount({ health, logger: silentLogger, clock: systemClock })).to.throw(/one adapter for each service/);
  });

  it('cuts after 20 s when it was given no signal', async () => {
    const clock = manualClock();
    const work = new Work();
    const host = hostOf(listenerFor(work), { clock });
    const client = await rawConnection(await host.listen({ host: '127.0.0.1' }));
    client.send(requestBytes('GET', '/slow'));
    await work.entered();
    const closed = host.close();
    await clock.advance(19_999);
    expect(client.socket.closed).to.equal(false);
    await clock.advance(1);
    await Promise.all([closed, client.closed]);
    expect(clock.pending).to.equal(0);
  });

  describe('at the deadline', () => {
    /** A host with routes, as an adapter makes one. */
    const routed = (handler: (call: Call) => unknown) => {
      const mountable = createMountable({ name: 'test', routes: [get('/', handler)], health });
      const clock = manualClock();
      const host = hostOf(
        (req, res) => {
          void mountable.routes
            .match(req.method!, req.url!)!
            .run({ req, res })
            .then((reply) => writeReply(res, reply, req.method!));
        },
        { clock },
      );
      return { host, clock };
    };

    it('aborts the calls that are left, and their handlers may still answer', async () => {
      let reason: unknown;
      const entered = withResolvers();
      const { host, clock } = routed(
        (call) =>
          new Promise((_resolve, reject) => {
            call.onAbort((why) => {
              reason = why;
              reject(why);
            });
            entered.resolve();
          }),
      );
      const client = await rawConnection(await host.listen({ host: '127.0.0.1' }));
      client.send(requestBytes('GET', '/'));
      await entered.promise;
      const closed = host.close(AbortSignal.abort());
      const reply = await client.reply();
      expect([reply.status, reply.header('connection'), (reply.json() as { reason: string }).reason]).to.deep.equal([503, 'close', 'DRAINING']);
      expect(reason).to.include({ code: 'UNAVAILABLE', reason: 'DRAINING' });
      await Promise.all([client.closed, closed]);
      await clock.advance(1_000);
      expect(clock.pending).to.equal(0);
    });

    it('cuts a call after one more second when its handler does not heed the abort', async () => {
      const entered = withResolvers();
      const { host, clock } = routed(() => new Promise(() => entered.resolve()));
      const client = await rawConnection(await host.listen({ host: '127.0.0.1' }));
      client.send(requestBytes('GET', '/'));
      await entered.promise;
      const closed = host.close(AbortSignal.abort());
      await clock.advance(999);
      expect(client.socket.closed).to.equal(false);
      await clock.advance(1);
      await Promise.all([client.closed, closed]);
    });
  });

  describe('with upgraded connections', () => {
    const upgraded = async () => {
      const server = createServer();
      const sockets: Duplex[] = [];
      server.on('upgrade', (_req, socket) => {
        sockets.push(socket);
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
        socket.on('error', () => {});
      });
      const host = hostOf((_req, res) => res.end());
      host.attach(server);
      const client = await rawConnection(await listening(server));
      client.send(requestBytes('GET', '/', { connection: 'Upgrade', upgrade: 'echo' }));
      expect((await client.head()).status).to.equal(101);
      return { host, client, sockets };
    };

    it('hands them to the drain hooks, and ends when they have', async () => {
      const { host, client, sockets } = await upgraded();
      const heard: (readonly Duplex[])[] = [];
      host.onDrain(() => Promise.reject(new Error('a bad hook')));
      host.onDrain((open) => {
        heard.push(open);
        for (const socket of open) socket.end('bye');
      });
      const closed = host.close();
      client.socket.on('end', () => client.destroy());
      await Promise.all([client.closed, closed]);
      expect(heard).to.deep.equal([sockets]);
    });

    it('cuts them at the deadline', async () => {
      const { host, client } = await upgraded();
      await Promise.all([host.close(AbortSignal.abort()), client.closed]);
    });
  });

  describe('on TLS', () => {
    let directory: string;
    let keys: { key: Buffer; cert: Buffer };
    before(function () {
      directory = mkdtempSync(join(tmpdir(), 'ferrule-tls-'));
      const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
      try {
        execFileSync(
          'openssl',
          [
            'req',
            '-x509',
            '-newkey',
            'ec',
            '-pkeyopt',
            'ec_paramgen_curve:prime256v1',
            '-nodes',
            '-keyout',
            key,
            '-out',
            cert,
            '-days',
            '2',
            '-subj',
            '/CN=localhost',
          ],
          { stdio: 'ignore' },
        );
      } catch {
        this.skip(); // no openssl here
      }
      keys = { key: readFileSync(key), cert: readFileSync(cert) };
    });
    after(() => rmSync(directory, { recursive: true }));

    it('closes connections that are idle or silent behind the handshake, and completes a slow reply', async () => {
      const work = new Work();
      const server = createTlsServer(keys, listenerFor(work));
      const host = hostOf(() => {});
      host.attach(server);
      const { port } = await listening(server);
      const open = async (send: string) => {
        const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
        let text = '';
        socket.on('data', (data: Buffer) => (text += data.toString()));
        socket.on('error', () => {});
        const closed = once(socket, 'close');
        await once(socket, 'secureConnect');
        if (send !== '') socket.write(requestBytes('GET', send));
        return { closed, text: () => text, socket };
      };
      const idle = await open('/quick');
      await once(idle.socket, 'data');
      const silent = await open('');
      const slow = await open('/slow');
      await work.entered();
      const closed = host.close();
      await Promise.all([idle.closed, silent.closed]);
      work.release();
      await slow.closed;
      expect(slow.text())
        .to.match(/connection: close/i)
        .and.to.match(/slow$/);
      await closed;
    });
  });
});

function limitsOf(req: IncomingMessage): number[] {
  const { server } = req.socket as unknown as { server: Server }; // not in the types: the server that accepted the socket
  return [server.keepAliveTimeout, server.headersTimeout, server.requestTimeout];
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
