import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { expect } from 'chai';
import { activeHealth, httpProbe, staticRegistry, tcpProbe } from '@ferrule/core';
import type { ActiveHealthEvent, HttpProbeOptions, Instance, Probe, ProbeResult } from '@ferrule/core';
import { freePort, listening } from '../support/listening.js';
import type { Listening } from '../support/listening.js';
import { cert, key } from '../support/tls-fixture.js';

/** A server as the instance of a service. */
interface Upstream extends Listening {
  readonly instance: Instance;
  readonly server: Server;
}

async function upstreamAt(server: Server, change: Partial<Instance> = {}): Promise<Upstream> {
  const served = await listening(server, change.scheme === 'https');
  return { ...served, server, instance: { id: 'a', service: 'orders', host: '127.0.0.1', port: served.port, ...change } };
}

const http = (listener: RequestListener, change?: Partial<Instance>): Promise<Upstream> => upstreamAt(createServer(listener), change);

async function ask(probe: Probe, instance: Instance, signal: AbortSignal = new AbortController().signal): Promise<ProbeResult> {
  return probe(instance, { signal });
}

describe('an http probe', () => {
  const statuses: readonly [HttpProbeOptions['status'], number, boolean][] = [
    [undefined, 200, true],
    [undefined, 204, true],
    [undefined, 301, false],
    [undefined, 404, false],
    [undefined, 503, false],
    [429, 429, true],
    [[200, 429], 429, true],
    [[200, 429], 204, false],
    [(status) => status < 500, 404, true],
  ];
  for (const [expected, status, healthy] of statuses) {
    it(`calls ${status} ${healthy ? 'healthy' : 'unhealthy'} when ${expected === undefined ? 'nothing is said' : String(expected)} is expected`, async () => {
      await using upstream = await http((_request, response) => response.writeHead(status).end());
      const result = await ask(httpProbe('/health/ready', expected === undefined ? {} : { status: expected }), upstream.instance);
      expect(result).to.deep.equal(healthy || { healthy: false, reason: `status ${status}` });
      await upstream.idle();
    });
  }

  it('asks with method, path, headers and server name as told', async () => {
    const seen: IncomingMessage[] = [];
    await using upstream = await http((request, response) => {
      seen.push(request);
      response.end('ok');
    });
    const { instance } = upstream;
    await ask(httpProbe('/ready?full=1'), instance);
    await ask(httpProbe('/', { method: 'HEAD', headers: { authorization: 'Bearer x' } }), { ...instance, serverName: 'orders.internal' });
    await ask(httpProbe('/', { port: instance.port }), { ...instance, port: 1 });
    expect(seen.map(({ method, url, headers }) => [method, url, headers.host, headers.authorization, headers['user-agent']])).to.deep.equal([
      ['GET', '/ready?full=1', `127.0.0.1:${instance.port}`, undefined, 'ferrule-probe'],
      ['HEAD', '/', `orders.internal:${instance.port}`, 'Bearer x', 'ferrule-probe'],
      ['GET', '/', `127.0.0.1:${instance.port}`, undefined, 'ferrule-probe'],
    ]);
    await upstream.idle();
  });

  it('looks at the body when it is told what has to be true of it', async () => {
    let body = '{"status":"pass"}';
    await using upstream = await http((_request, response) => response.end(body));
    const probe = httpProbe('/', { body: (text) => (JSON.parse(text) as { status: string }).status === 'pass' });
    expect(await ask(probe, upstream.instance)).to.equal(true);
    body = '{"status":"fail"}';
    expect(await ask(probe, upstream.instance)).to.deep.equal({ healthy: false, reason: 'body' });
    body = 'no json';
    expect(await ask(probe, upstream.instance)).to.deep.equal({ healthy: false, reason: 'SyntaxError' });
    body = `"${'x'.repeat(100_000)}"`;
    expect(await ask(probe, upstream.instance)).to.deep.equal({ healthy: false, reason: 'body' });
    expect(await ask(httpProbe('/'), upstream.instance), 'a long body that nobody looks at').to.equal(true);
    await upstream.idle();
  });

  it('calls an answer unhealthy that took longer than the limit', async () => {
    const held: (() => void)[] = [];
    await using upstream = await http((_request, response) => void held.push(() => response.end()));
    const probing = ask(httpProbe('/', { maxLatency: 1 }), upstream.instance);
    await once(upstream.server, 'request');
    const since = performance.now();
    while (performance.now() - since < 3) await new Promise(setImmediate);
    for (const release of held) release();
    expect(await probing)
      .to.have.property('reason')
      .that.matches(/^slow: \d+ ms, more than 1 ms$/);
  });

  const broken: readonly [string, (socket: Socket) => void, RegExp][] = [
    ['cuts the connection', (socket) => socket.destroy(), /^ECONNRESET$/],
    ['resets the connection', (socket) => socket.resetAndDestroy(), /^ECONNRESET$/],
    ['speaks no HTTP', (socket) => socket.end('SSH-2.0-OpenSSH\r\n\r\n'), /^HPE_/],
    ['breaks off within the body', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'), /^ECONNRESET$/],
    ['upgrades unasked', (socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'), /./],
  ];
  for (const [what, act, reason] of broken) {
    it(`calls an upstream unhealthy that ${what}`, async () => {
      await using upstream = await upstreamAt(createTcpServer((socket) => socket.once('data', () => act(socket))));
      const result = await ask(httpProbe('/'), upstream.instance);
      expect(result).to.have.property('healthy', false);
      expect(result).to.have.property('reason').that.matches(reason);
      await upstream.idle();
    });
  }

  it('speaks TLS with an https instance, and verifies its name', async () => {
    await using upstream = await upstreamAt(
      createSecureServer({ key, cert }, (_request, response) => response.end()),
      { scheme: 'https' },
    );
    expect(await ask(httpProbe('/'), upstream.instance)).to.have.property('healthy', false);
    const named = { ...upstream.instance, serverName: 'users.test' };
    expect(await ask(httpProbe('/', { tls: { ca: cert } }), named)).to.equal(true);
    expect(await ask(httpProbe('/', { tls: { ca: cert, servername: 'wrong.test' } }), upstream.instance)).to.have.property('healthy', false);
    await upstream.idle();
  });

  it('leaves no socket when it is aborted, before the reply, within it, or at once', async () => {
    await using upstream = await http((request, response) => {
      if (request.url === '/half') response.write('x');
    });
    for (const path of ['/hangs', '/half']) {
      const controller = new AbortController();
      const probing = ask(httpProbe(path), upstream.instance, controller.signal);
      await once(upstream.server, 'request');
      controller.abort();
      expect(await probing).to.deep.equal({ healthy: false, reason: 'aborted' });
      await upstream.idle();
    }
    const rejected = await ask(httpProbe('/'), upstream.instance, AbortSignal.abort(new Error('over'))).catch((error: unknown) => error);
    expect(rejected).to.have.property('message', 'over');
  });

  const bad: readonly [string, () => unknown, RegExp][] = [
    ['a path without a slash', () => httpProbe('health'), /"health" is no path/],
    ['a path with a line break', () => httpProbe('/a\r\nb'), /is no path/],
    ['another method', () => httpProbe('/', { method: 'POST' as never }), /method: "POST"/],
    ['a body of HEAD', () => httpProbe('/', { method: 'HEAD', body: () => true }), /a reply to HEAD has none/],
    ['no status', () => httpProbe('/', { status: [] }), /httpProbe status/],
    ['a port of none', () => httpProbe('/', { port: 0 }), /httpProbe port: 0/],
    ['a misspelt option', () => httpProbe('/', { statuss: 1 } as never), /no option "statuss"/],
    ['a TLS option that there is not', () => httpProbe('/', { tls: { rejectUnauthorized: false } as never }), /no option "rejectUnauthorized"/],
    ['a misspelt option of TCP', () => tcpProbe({ prot: 1 } as never), /no option "prot".*port/],
  ];
  for (const [what, make, message] of bad) {
    it(`refuses ${what}`, () => {
      expect(make).to.throw(TypeError, message);
    });
  }
});

describe('a tcp probe', () => {
  it('connects and closes', async () => {
    await using upstream = await upstreamAt(createTcpServer());
    expect(await ask(tcpProbe(), upstream.instance)).to.equal(true);
    expect(await ask(tcpProbe({ port: upstream.instance.port }), { ...upstream.instance, port: 1 })).to.equal(true);
    await upstream.idle();
  });

  it('calls an instance unhealthy where nobody listens, or whose name leads nowhere', async () => {
    const instance: Instance = { id: 'a', service: 'orders', host: '127.0.0.1', port: await freePort() };
    expect(await ask(tcpProbe(), instance)).to.deep.equal({ healthy: false, reason: 'ECONNREFUSED' });
    expect(await ask(httpProbe('/'), instance)).to.deep.equal({ healthy: false, reason: 'ECONNREFUSED' });
  });

  it('leaves no socket when it is aborted', async () => {
    await using upstream = await upstreamAt(createTcpServer());
    const controller = new AbortController();
    const probing = ask(tcpProbe(), upstream.instance, controller.signal);
    controller.abort();
    expect(await probing).to.deep.equal({ healthy: false, reason: 'aborted' });
    await upstream.idle();
  });
});

describe('active health on real sockets', () => {
  /** Resolves with the next event of that type. */
  const heard = (events: { onEvent(listener: (event: ActiveHealthEvent) => void): () => void }, type: ActiveHealthEvent['type']) =>
    new Promise<ActiveHealthEvent>((resolve) => {
      const end = events.onEvent((event) => {
        if (event.type !== type) return;
        end();
        resolve(event);
      });
    });
  const quick = { interval: 20, timeout: 100, jitter: 0, fall: 2, rise: 2, recovery: { base: 20, cap: 20 } } as const;

  it('finds an instance that refuses, and finds it again on the same port', async () => {
    const upstream = await http((_request, response) => response.end());
    const { port } = upstream.instance;
    const discovery = staticRegistry({ orders: `127.0.0.1:${port}` });
    await using health = activeHealth({ discovery, services: { orders: { probe: httpProbe('/'), ...quick } } });
    const unhealthy = heard(health, 'unhealthy');
    await upstream[Symbol.asyncDispose]();
    expect(await unhealthy).to.include({ service: 'orders', reason: 'ECONNREFUSED' });
    const recovered = heard(health, 'recovered');
    const again = createServer((_request, response) => response.end()).listen(port, '127.0.0.1');
    expect(await recovered).to.include({ service: 'orders', reason: 'ok' });
    again.closeAllConnections();
    again.close();
  });

  it('finds one that hangs by the timeout, and leaves no socket to it', async () => {
    await using upstream = await http(() => {});
    const discovery = staticRegistry({ orders: `127.0.0.1:${upstream.instance.port}` });
    await using health = activeHealth({ discovery, services: { orders: { probe: httpProbe('/'), ...quick } } });
    expect(await heard(health, 'unhealthy')).to.include({ reason: 'timeout' });
    await health[Symbol.asyncDispose]();
    await upstream.idle();
  });

  it('is not moved by one that flaps faster than its hysteresis', async () => {
    let answers = 0;
    await using upstream = await http((_request, response) => response.writeHead(++answers % 2 === 0 ? 503 : 200).end());
    const discovery = staticRegistry({ orders: `127.0.0.1:${upstream.instance.port}` });
    await using health = activeHealth({ discovery, services: { orders: { probe: httpProbe('/'), ...quick } } });
    const events: ActiveHealthEvent[] = [];
    health.onEvent((event) => events.push(event));
    while (answers < 10) await once(upstream.server, 'request');
    expect(events).to.deep.equal([]);
  });

  it('finds a stopped process by HTTP, which TCP does not: the kernel accepts for it', async function () {
    if (process.platform === 'win32') this.skip();
    const program = "require('http').createServer((q, s) => s.end()).listen(0, '127.0.0.1', function () { console.log(this.address().port) })";
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      const discovery = staticRegistry({ orders: `127.0.0.1:${line.toString().trim()}` });
      await using byHttp = activeHealth({ discovery, services: { orders: { probe: httpProbe('/'), ...quick } } });
      await using byTcp = activeHealth({ discovery, services: { orders: { probe: tcpProbe(), ...quick } } });
      const unhealthy = heard(byHttp, 'unhealthy');
      child.kill('SIGSTOP');
      expect(await unhealthy).to.include({ reason: 'timeout' });
      expect(byTcp.report('orders')[0]).to.include({ state: 'healthy' });
      const recovered = heard(byHttp, 'recovered');
      child.kill('SIGCONT');
      await recovered;
    } finally {
      child.kill('SIGKILL');
    }
  });
});
