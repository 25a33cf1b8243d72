import { expect } from 'chai';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { answers, manualClock, rawConnection, rawRequest, requestBytes, scriptedUpstream, tcpProxy } from '@ferrule/testing';

const get = requestBytes('GET', '/');

describe('rawRequest', () => {
  /** A server that answers every connection with fixed bytes and then ends it. */
  async function fixed(bytes: string) {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(bytes));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, [Symbol.dispose]: () => void server.close() };
  }

  const whole: readonly [name: string, bytes: string, text: string][] = [
    ['with Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'hello'],
    [
      'in chunks, with an extension and a trailer',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: 1\r\n\r\n',
      'hello',
    ],
    ['until the connection closes', 'HTTP/1.1 200 OK\r\n\r\nhello', 'hello'],
    ['none with 204', 'HTTP/1.1 204 No Content\r\n\r\n', ''],
  ];
  for (const [name, bytes, text] of whole) {
    it(`reads a body ${name}`, async () => {
      using server = await fixed(bytes);
      const reply = await rawRequest(server, get);
      expect([reply.text, reply.complete]).to.deep.equal([text, true]);
    });
  }

  const broken: readonly [name: string, bytes: string, text: string][] = [
    ['shorter than its Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello', 'hello'],
    ['without the last chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', 'hello'],
  ];
  for (const [name, bytes, text] of broken) {
    it(`tells a body ${name}`, async () => {
      using server = await fixed(bytes);
      const reply = await rawRequest(server, get);
      expect([reply.text, reply.complete]).to.deep.equal([text, false]);
    });
  }

  it('keeps repeated fields apart and reports 1xx replies', async () => {
    using server = await fixed('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Fine\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 0\r\n\r\n');
    const reply = await rawRequest(server, get);
    expect(reply.fields.get('set-cookie')).to.deep.equal(['a', 'b']);
    expect([reply.statusText, ...reply.interim]).to.deep.equal(['Fine', 100]);
  });

  it('throws when the connection ends before the head', async () => {
    using server = await fixed('HTTP/1.1 200 O');
    const failed: unknown = await rawRequest(server, get).catch((error: unknown) => error);
    expect(failed)
      .to.have.property('message')
      .that.matches(/ended before the reply/);
  });
});

describe('scriptedUpstream', () => {
  it('answers as scripted, in order, and records what it received', async () => {
    await using upstream = await scriptedUpstream(answers.ok({ n: 1 }), answers.unavailable(7), (request) => ({ body: request.json() }));
    const first = await rawRequest(upstream, get);
    const second = await rawRequest(upstream, get);
    const third = await rawRequest(upstream, requestBytes('POST', '/x?y=1', {}, '{"echo":true}'));
    expect([first.json(), second.status, second.header('retry-after'), third.json()]).to.deep.equal([{ n: 1 }, 503, '7', { echo: true }]);
    expect(upstream.requests.map((request) => `${request.method} ${request.url}`)).to.deep.equal(['GET /', 'GET /', 'POST /x?y=1']);
  });

  it('says so when the script has run out, or answers as told for that case', async () => {
    await using upstream = await scriptedUpstream();
    const unscripted = await rawRequest(upstream, get);
    expect([unscripted.status, unscripted.text]).to.deep.equal([500, 'scriptedUpstream: no answer is scripted for this request']);
    upstream.otherwise(answers.ok());
    expect((await rawRequest(upstream, get)).json()).to.deep.equal({ ok: true });
  });

  it('holds head and body back until the test lets go of them', async () => {
    await using upstream = await scriptedUpstream();
    let release = (): void => {};
    const bodyAfter = new Promise<void>((resolve) => (release = resolve));
    upstream.script({ body: 'late', bodyAfter });
    const connection = await rawConnection(upstream);
    connection.send(get);
    expect((await connection.head()).status).to.equal(200);
    release();
    expect(String(await connection.chunk())).to.equal('late');
    connection.destroy();
  });

  for (const [name, answer] of [
    ['resets', answers.reset()],
    ['closes', answers.close()],
  ] as const) {
    it(`${name} before the head`, async () => {
      await using upstream = await scriptedUpstream(answer);
      const failed: unknown = await rawRequest(upstream, get).catch((error: unknown) => error);
      expect(failed).to.be.instanceOf(Error);
      expect(await upstream.requests[0]!.finished).to.equal(false);
    });
  }

  it('breaks a body off half way', async () => {
    await using upstream = await scriptedUpstream(answers.resetMidBody('0123456789'));
    const reply = await rawRequest(upstream, get);
    expect([reply.status, reply.complete]).to.deep.equal([200, false]);
  });

  it('hangs until the client goes, and close ends everything', async () => {
    const upstream = await scriptedUpstream(answers.hang(), answers.hang());
    const one = await rawConnection(upstream);
    const other = await rawConnection(upstream);
    one.send(get);
    const request = await upstream.received(1);
    one.destroy();
    expect(await request.finished).to.equal(false);
    other.send(get);
    await upstream.received(2);
    await upstream.close();
    await upstream.close();
    await other.closed;
    const refused: unknown = await rawConnection(upstream).catch((error: unknown) => error);
    expect(refused).to.have.property('code', 'ECONNREFUSED');
  });

  it('tells which requests shared a connection', async () => {
    await using upstream = await scriptedUpstream();
    upstream.otherwise(answers.ok());
    const connection = await rawConnection(upstream);
    for (let i = 0; i < 2; i++) {
      connection.send(get);
      await connection.reply();
    }
    await rawRequest(upstream, get);
    expect(upstream.requests.map((request) => request.connection)).to.deep.equal([1, 1, 2]);
    connection.destroy();
  });
});

describe('tcpProxy', () => {
  it('passes everything on, cuts what is open, and passes again', async () => {
    await using upstream = await scriptedUpstream();
    upstream.otherwise(answers.ok());
    await using proxy = await tcpProxy(upstream);
    const connection = await rawConnection(proxy);
    connection.send(get);
    expect((await connection.reply()).status).to.equal(200);
    expect(proxy.connections).to.equal(1);
    proxy.cut();
    await connection.closed;
    expect((await rawRequest(proxy, get)).status).to.equal(200);
  });

  it('swallows: the upstream hears nothing and the client no answer', async () => {
    await using upstream = await scriptedUpstream();
    upstream.otherwise(answers.ok());
    await using proxy = await tcpProxy(upstream);
    const swallowed = await rawConnection(proxy);
    proxy.blackHole(true);
    swallowed.send(get);
    await proxy.received(get.length);
    proxy.blackHole(false);
    expect((await rawRequest(proxy, get)).status).to.equal(200);
    expect(upstream.requests).to.have.length(1);
    swallowed.destroy();
    await swallowed.closed;
  });

  it('holds bytes back and lets go of them in order', async () => {
    await using upstream = await scriptedUpstream();
    upstream.otherwise((request) => ({ body: request.body }));
    await using proxy = await tcpProxy(upstream);
    const connection = await rawConnection(proxy);
    proxy.hold(true);
    connection.send(requestBytes('POST', '/', {}, 'held'));
    await rawRequest(upstream, requestBytes('POST', '/', {}, 'direct'));
    proxy.hold(false);
    expect((await connection.reply()).text).to.equal('held');
    expect(upstream.requests.map((request) => String(request.body))).to.deep.equal(['direct', 'held']);
    connection.destroy();
  });

  it('delays bytes, in order', async () => {
    await using upstream = await scriptedUpstream();
    upstream.otherwise((request) => ({ body: request.body }));
    const clock = manualClock();
    await using proxy = await tcpProxy(upstream, { clock });
    const connection = await rawConnection(proxy);
    proxy.delay(100);
    const [one, two] = ['one', 'two'].map((body) => requestBytes('POST', '/', {}, body)) as [Buffer, Buffer];
    connection.send(one);
    await proxy.received(one.length);
    await clock.advance(99);
    await rawRequest(upstream, requestBytes('POST', '/', {}, 'direct'));
    proxy.delay(0);
    connection.send(two);
    await proxy.received(one.length + two.length);
    await clock.advance(1);
    expect((await connection.reply()).text).to.equal('one');
    expect((await connection.reply()).text).to.equal('two');
    expect(upstream.requests.map((request) => String(request.body))).to.deep.equal(['direct', 'one', 'two']);
    connection.destroy();
  });

  it('lets no more bytes a second pass than it is told, whole and in order', async () => {
    await using upstream = await scriptedUpstream();
    const body = Array.from({ length: 1_000 }, (_, index) => String(index % 10)).join('');
    upstream.otherwise({ body });
    const clock = manualClock();
    await using proxy = await tcpProxy(upstream, { clock });
    const connection = await rawConnection(proxy);
    connection.send(get);
    proxy.throttle(1_000);
    let done = false;
    const reply = connection.reply().finally(() => (done = true));
    let spentMs = 0;
    for (; !done; spentMs += 10) await clock.advance(10);
    expect((await reply).text).to.equal(body);
    // Head and body are more than 1,000 bytes, and the first piece of 50 passes at once.
    expect(spentMs).to.be.at.least(950);
    connection.destroy();
  });

  it('refuses a delay and a rate that are none', async () => {
    await using upstream = await scriptedUpstream();
    await using proxy = await tcpProxy(upstream);
    expect(() => proxy.delay(-1)).to.throw(TypeError, /delay: -1/);
    expect(() => proxy.delay(Number.NaN)).to.throw(TypeError, /delay: NaN/);
    expect(() => proxy.throttle(0)).to.throw(TypeError, /throttle: 0/);
  });

  it('resets new connections when told to refuse', async () => {
    await using upstream = await scriptedUpstream();
    await using proxy = await tcpProxy(upstream);
    proxy.refuse(true);
    await rawConnection(proxy).then(
      (connection) => connection.closed,
      (error: unknown) => expect(error).to.have.property('code', 'ECONNRESET'),
    );
    expect(upstream.connections).to.equal(0);
  });
});
