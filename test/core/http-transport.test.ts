import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { Call, ServiceError, Values, httpTransport, isServiceError } from '@ferrule/core';
import type { CallHeaders, HttpTransportOptions, Reply } from '@ferrule/core';
import { OUTBOUND, operation } from '@ferrule/core/adapter';
import type { End, ReplyMode, Transport } from '@ferrule/core/adapter';
import { answers, manualClock, scriptedUpstream } from '@ferrule/testing';
import type { ScriptedAnswer } from '@ferrule/testing';

interface Outgoing {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: CallHeaders;
  readonly body?: unknown;
  readonly mode?: ReplyMode;
  readonly deadline?: number;
  readonly attempt?: number;
}

function callTo(origin: string, { method = 'GET', path = '/', headers, body, mode = 'parse', deadline, attempt = 1 }: Outgoing = {}): Call {
  const values = new Values();
  // As the client does it: the body is encoded by the transport when its source is another one.
  values.set(OUTBOUND, {
    target: path,
    body: { source: undefined, content: undefined, contentType: undefined },
    mode,
    timeoutMs: undefined,
    requestId: 'req-1',
  });
  return new Call({
    side: 'client',
    operation: operation('up', method, path),
    endpoint: { id: 'up-1', origin },
    values,
    attempt,
    deadline,
    ...(headers !== undefined && { headers }),
    ...(body !== undefined && { body }),
  });
}

async function failureOf(work: Promise<unknown>): Promise<ServiceError> {
  try {
    await work;
  } catch (error) {
    expect(isServiceError(error), String(error)).to.equal(true);
    return error as ServiceError;
  }
  throw new Error('it did not fail');
}

const neither = (): never => expect.fail('it did not fail');
const endOf = (call: Call): Promise<End> => new Promise((resolve) => call.onEnd(resolve));

/** For a test that asks what is kept alive. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

describe('httpTransport', () => {
  let transport: Transport;
  const make = (options?: HttpTransportOptions): Transport => (transport = httpTransport(options));
  beforeEach(() => void make());
  afterEach(() => transport[Symbol.asyncDispose]());

  describe('replies', () => {
    const bodies: readonly (readonly [string, ScriptedAnswer, unknown])[] = [
      ['JSON', { body: { a: [1, 'ü'] } }, { a: [1, 'ü'] }],
      ['JSON with a suffix', { body: '{"a":1}', headers: { 'content-type': 'application/vnd.api+json; charset=utf-8' } }, { a: 1 }],
      ['JSON behind a byte order mark', { body: '\ufeff{"a":1}', headers: { 'content-type': 'application/json' } }, { a: 1 }],
      ['text', { body: 'größe', headers: { 'content-type': 'text/plain' } }, 'größe'],
      ['text in latin1', { body: Buffer.from('größe', 'latin1'), headers: { 'content-type': 'text/plain; charset=iso-8859-1' } }, 'größe'],
      ['nothing', { status: 204 }, undefined],
      ['an empty body that says it is JSON', { body: '', headers: { 'content-type': 'application/json' } }, undefined],
      ['bytes of another type', { body: 'abc', headers: { 'content-type': 'image/png' } }, Buffer.from('abc')],
      ['bytes without a type', { body: 'abc' }, Buffer.from('abc')],
      [
        'gzip that nobody asked for',
        { body: 'zzz', headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' } },
        Buffer.from('zzz'),
      ],
      [
        'the body of a redirect, which is not followed',
        { status: 302, body: 'there', headers: { location: 'http://169.254.169.254/', 'content-type': 'text/plain' } },
        'there',
      ],
      ['the JSON of an error', { status: 503, body: { detail: 'no' } }, { detail: 'no' }],
      ['an error that says it is JSON and is not', { status: 500, body: '{oops', headers: { 'content-type': 'application/json' } }, undefined],
      [
        'an error body above 64 KB, of which the status counts',
        { status: 500, body: 'x'.repeat(70_000), headers: { 'content-type': 'text/plain' } },
        undefined,
      ],
      [
        'the same without a length',
        { status: 500, body: 'x'.repeat(70_000), headers: { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' } },
        undefined,
      ],
    ];
    for (const [name, answer, expected] of bodies) {
      it(`give ${name}`, async () => {
        await using upstream = await scriptedUpstream(answer);
        const call = callTo(upstream.origin);
        const statuses: number[] = [];
        call.onAnswered((status) => statuses.push(status));
        const ended = endOf(call);
        const reply = await transport.handle(call);
        expect(reply.status).to.equal(answer.status ?? 200);
        expect(reply.body).to.deep.equal(expected);
        expect(statuses).to.deep.equal([answer.status ?? 200]);
        expect((await ended).kind).to.equal('done');
      });
    }

    it('keep repeated headers apart', async () => {
      await using upstream = await scriptedUpstream({ headers: { 'set-cookie': ['a=1', 'b=2'], 'x-one': '1' } });
      const { headers } = await transport.handle(callTo(upstream.origin));
      expect(headers['set-cookie']).to.deep.equal(['a=1', 'b=2']);
      expect(headers['x-one']).to.equal('1');
    });

    it('reuse one connection after another call, an error and a HEAD included', async () => {
      await using upstream = await scriptedUpstream(answers.ok(), answers.status(500, { a: 1 }), answers.ok());
      for (let n = 0; n < 3; n++) {
        await transport.handle(callTo(upstream.origin));
        // A connection is free again one turn after its reply.
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(new Set(upstream.requests.map(({ connection }) => connection)).size).to.equal(1);
      upstream.script({ headers: { 'content-length': '5000000000' } });
      expect((await transport.handle(callTo(upstream.origin, { method: 'HEAD' }))).body).to.equal(undefined);
    });

    it('leave the body unread as bytes when asked to', async () => {
      await using upstream = await scriptedUpstream({ body: { a: 1 } });
      expect((await transport.handle(callTo(upstream.origin, { mode: 'bytes' }))).body).to.deep.equal(Buffer.from('{"a":1}'));
    });

    it('answer after 1xx with the final status', async () => {
      const server = createServer((_req, res) => {
        res.writeEarlyHints({ link: '</a>; rel=preload' });
        res.end('done');
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const reply = await transport.handle(callTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
      expect(reply.status).to.equal(200);
      server.close();
      server.closeAllConnections();
    });
  });

  describe('failures', () => {
    const raw = async (answer: string | undefined, work: (origin: string) => Promise<void>): Promise<void> => {
      const server = createTcpServer((socket) =>
        socket.on('error', () => {}).once('data', () => (answer === undefined ? socket.end() : socket.end(answer))),
      ).listen(0, '127.0.0.1');
      await once(server, 'listening');
      try {
        await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      } finally {
        server.close();
      }
    };

    const table: readonly (readonly [string, ScriptedAnswer, Partial<ServiceError>])[] = [
      ['a reset before the head', answers.reset(), { code: 'UNAVAILABLE', reason: 'CONNECTION_LOST', unsent: false, retryable: true }],
      ['a close before the head', answers.close(), { code: 'UNAVAILABLE', reason: 'CONNECTION_LOST', unsent: false, retryable: true }],
      [
        'a reset in the middle of the body',
        answers.resetMidBody('x'.repeat(500)),
        { code: 'UNAVAILABLE', reason: 'CONNECTION_LOST', unsent: false, retryable: true },
      ],
      ['bytes that are no HTTP', answers.garbage(), { code: 'UNAVAILABLE', status: 502, reason: 'MALFORMED_REPLY', retryable: true }],
      [
        'JSON that is none',
        { body: '{"a":', headers: { 'content-type': 'application/json' } },
        { code: 'UNAVAILABLE', status: 502, reason: 'MALFORMED_REPLY', retryable: false },
      ],
      ['headers without end', { headers: { 'x-long': 'x'.repeat(40_000) } }, { code: 'UNAVAILABLE', status: 502, reason: 'MALFORMED_REPLY' }],
      ['a length above the limit', { body: 'x'.repeat(2_000) }, { code: 'OUT_OF_RANGE', status: 502, reason: 'REPLY_TOO_LARGE', retryable: false }],
      [
        'a body above the limit without a length',
        { body: 'x'.repeat(2_000), headers: { 'transfer-encoding': 'chunked' } },
        { code: 'OUT_OF_RANGE', reason: 'REPLY_TOO_LARGE' },
      ],
    ];
    for (const [name, answer, expected] of table) {
      it(`tell ${name}`, async () => {
        await transport[Symbol.asyncDispose]();
        make({ replyLimit: 1_000 });
        await using upstream = await scriptedUpstream(answer);
        const call = callTo(upstream.origin);
        const ended = endOf(call);
        expect(await failureOf(transport.handle(call))).to.include(expected);
        expect((await ended).kind).to.equal('failed');
      });
    }

    const wrong: readonly (readonly [string, string | undefined, string])[] = [
      ['a status beyond 599', 'HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n', 'MALFORMED_REPLY'],
      ['two lengths that differ', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab', 'MALFORMED_REPLY'],
      ['an upgrade that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n', 'CONNECTION_LOST'],
      ['half a head', 'HTTP/1.1 200 OK\r\ncontent-', 'CONNECTION_LOST'],
      ['a body shorter than its length', 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\n\r\nabc', 'CONNECTION_LOST'],
      ['chunks without the last', 'HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n', 'CONNECTION_LOST'],
      ['an end before anything', undefined, 'CONNECTION_LOST'],
    ];
    for (const [name, bytes, reason] of wrong) {
      it(`tell ${name}`, () =>
        raw(
          bytes,
          async (origin) => void expect(await failureOf(transport.handle(callTo(origin)))).to.include({ code: 'UNAVAILABLE', reason, unsent: false }),
        ));
    }

    it('tell a refused connection apart: nothing was sent, so that a write may go elsewhere', async () => {
      const upstream = await scriptedUpstream();
      await upstream.close();
      const call = callTo(upstream.origin, { method: 'POST', body: { a: 1 } });
      const ended = endOf(call);
      const error = await failureOf(transport.handle(call));
      expect(error).to.include({ code: 'UNAVAILABLE', reason: 'CONNECT_FAILED', unsent: true, retryable: true });
      expect(error.message).to.contain('ECONNREFUSED').and.contain(upstream.origin);
      expect((await ended).kind).to.equal('failed');
    });

    it('tell a host without an address', async () => {
      expect(await failureOf(transport.handle(callTo('http://nowhere.invalid')))).to.include({
        code: 'UNAVAILABLE',
        reason: 'CONNECT_FAILED',
        unsent: true,
      });
    });

    it('tell TLS with a certificate that nobody vouches for, or none at all', async () => {
      await using upstream = await scriptedUpstream(answers.ok());
      expect(await failureOf(transport.handle(callTo(upstream.origin.replace('http:', 'https:'))))).to.include({
        reason: 'CONNECT_FAILED',
        unsent: true,
      });
    });

    it('give up connecting after connectTimeout', async () => {
      await transport[Symbol.asyncDispose]();
      const clock = manualClock();
      make({ clock });
      // TLS to a server that says nothing.
      const server = createTcpServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const failing = failureOf(transport.handle(callTo(`https://127.0.0.1:${(server.address() as AddressInfo).port}`)));
      await once(server, 'connection');
      expect(clock.pending).to.equal(1);
      await clock.advance(999);
      await clock.advance(1);
      expect(await failing).to.include({ code: 'UNAVAILABLE', reason: 'CONNECT_FAILED', unsent: true });
      expect(clock.pending).to.equal(0);
      server.close();
    });

    it('take a reset of a reused connection for what may have been read', async () => {
      await using upstream = await scriptedUpstream(answers.ok(), answers.reset());
      await transport.handle(callTo(upstream.origin));
      await new Promise((resolve) => setImmediate(resolve));
      expect(await failureOf(transport.handle(callTo(upstream.origin, { method: 'POST', body: 'x' })))).to.include({
        reason: 'CONNECTION_LOST',
        unsent: false,
      });
      expect(upstream.requests.map(({ connection }) => connection)).to.deep.equal([1, 1]);
    });

    it('refuse headers that would split the request, as our own fault', async () => {
      await using upstream = await scriptedUpstream();
      const error = await failureOf(transport.handle(callTo(upstream.origin, { headers: { 'x-a': 'b\r\nx-evil: 1' } })));
      expect(error).to.include({ code: 'INTERNAL', retryable: false });
      expect(upstream.requests).to.have.length(0);
    });

    it('refuse a call without an endpoint and calls after it was closed', async () => {
      const call = new Call({ side: 'client', operation: operation('up', 'GET', '/') });
      await transport.handle(call).then(neither, (error: unknown) => expect(error).to.be.instanceOf(TypeError));
      await transport[Symbol.asyncDispose]();
      const late = callTo('http://127.0.0.1:1');
      expect(await failureOf(transport.handle(late))).to.include({ code: 'UNAVAILABLE', unsent: true, retryable: false });
      expect([call.ended, late.ended]).to.deep.equal([true, true]);
    });

    for (const [option, value] of [
      ['connectTimeout', 'soon'],
      ['connectTimeout', 0],
      ['connections', 0],
      ['replyLimit', -1],
      ['keepAliveTimeout', 0],
    ] as const) {
      it(`refuse the option ${option}: ${value}`, () =>
        expect(() => httpTransport({ [option]: value })).to.throw(/httpTransport.*(connectTimeout|connections|replyLimit)/));
    }
  });

  describe('requests', () => {
    const sent: readonly (readonly [string, unknown, string, string | undefined])[] = [
      ['a value as JSON', { a: 1 }, '{"a":1}', 'application/json'],
      ['null as JSON', null, 'null', 'application/json'],
      ['text', 'ü', 'ü', 'text/plain; charset=utf-8'],
      ['bytes', new Uint8Array([97, 98]), 'ab', 'application/octet-stream'],
      ['an ArrayBuffer', new Uint8Array([97, 98]).buffer, 'ab', 'application/octet-stream'],
      ['form fields', new URLSearchParams({ a: '1 2' }), 'a=1+2', 'application/x-www-form-urlencoded;charset=UTF-8'],
      ['a Readable', Readable.from([Buffer.from('a'), Buffer.from('b')]), 'ab', 'application/octet-stream'],
      ['a ReadableStream', new Blob(['ab']).stream(), 'ab', 'application/octet-stream'],
      ['what a function makes', () => Readable.from([Buffer.from('ab')]), 'ab', 'application/octet-stream'],
      ['nothing', undefined, '', undefined],
    ];
    for (const [name, body, arrived, contentType] of sent) {
      it(`send ${name}`, async () => {
        await using upstream = await scriptedUpstream(answers.ok());
        await transport.handle(callTo(upstream.origin, { method: 'POST', body }));
        const [request] = upstream.requests;
        expect(request!.body.toString()).to.equal(arrived);
        expect(request!.headers['content-type']).to.equal(contentType);
      });
    }

    it('let the call have its own content type', async () => {
      await using upstream = await scriptedUpstream(answers.ok());
      await transport.handle(
        callTo(upstream.origin, { method: 'POST', body: { a: 1 }, headers: { 'Content-Type': 'application/merge-patch+json' } }),
      );
      expect(upstream.requests[0]!.headers['content-type']).to.equal('application/merge-patch+json');
    });

    it('refuse a stream that was read before, and a body without JSON', async () => {
      await using upstream = await scriptedUpstream(answers.ok());
      const used = Readable.from(['a']);
      await text(used);
      for (const [body, message] of [
        [used, /read before/],
        [Symbol('a'), /has no JSON/],
      ] as const) {
        await transport
          .handle(callTo(upstream.origin, { method: 'POST', body }))
          .then(neither, (error: Error) => expect(error.message).to.match(message));
      }
    });

    it('refuse a stream that was read since the call was made: nothing would pass for all of it', async () => {
      await using upstream = await scriptedUpstream();
      const content = Readable.from([Buffer.from('x')]);
      await buffer(content);
      const call = callTo(upstream.origin, { method: 'PUT' });
      call.values.set(OUTBOUND, { ...call.values.get(OUTBOUND)!, body: { source: undefined, content, contentType: undefined } });
      await transport.handle(call).then(neither, (error: unknown) => expect(error).to.be.instanceOf(TypeError));
      expect(upstream.requests).to.have.length(0);
      expect(call.ended).to.equal(true);
    });

    it('close what a body function made when nothing of it was sent', async () => {
      const upstream = await scriptedUpstream();
      await upstream.close();
      const made: Readable[] = [];
      const call = callTo(upstream.origin, { method: 'PUT', body: () => (made.push(new Readable({ read() {} })), made.at(-1)) });
      expect(await failureOf(transport.handle(call))).to.include({ reason: 'CONNECT_FAILED' });
      expect(made.map(({ destroyed }) => destroyed)).to.deep.equal([true]);
    });

    it('fail with the error of a body stream that breaks, which is not the fault of the endpoint', async () => {
      await using upstream = await scriptedUpstream(answers.ok());
      const broken = new Error('disk');
      const body = new Readable({
        read() {
          this.destroy(broken);
        },
      });
      const error: unknown = await transport.handle(callTo(upstream.origin, { method: 'POST', body })).catch((thrown: unknown) => thrown);
      expect(error).to.equal(broken);
    });

    it('tell the time left without 5 ms, the attempt and the request id', async () => {
      await transport[Symbol.asyncDispose]();
      const clock = manualClock({ now: 1_000 });
      make({ clock });
      await using upstream = await scriptedUpstream(answers.ok(), answers.ok());
      await transport.handle(callTo(upstream.origin, { deadline: 1_250.9, attempt: 3 }));
      expect(upstream.requests[0]!.headers).to.include({ 'x-request-timeout-ms': '245', 'x-attempt-count': '3', 'x-request-id': 'req-1' });
      await transport.handle(callTo(upstream.origin));
      expect(upstream.requests[1]!.headers).to.not.have.property('x-request-timeout-ms');
    });

    it('do not call when no time is left', async () => {
      await transport[Symbol.asyncDispose]();
      make({ clock: manualClock({ now: 1_000 }) });
      await using upstream = await scriptedUpstream();
      for (const deadline of [1_005.5, 1_000, 3]) {
        expect(await failureOf(transport.handle(callTo(upstream.origin, { deadline })))).to.include({
          code: 'DEADLINE_EXCEEDED',
          reason: 'TIMEOUT',
          unsent: true,
        });
      }
      expect(upstream.requests).to.have.length(0);
    });

    it('strip the headers of a connection and never make up authorization or cookies', async () => {
      await using upstream = await scriptedUpstream(answers.ok());
      await transport.handle(
        callTo(upstream.origin, {
          headers: {
            connection: 'close, X-Private',
            'x-private': '1',
            'keep-alive': 'timeout=5',
            'proxy-connection': 'x',
            te: 'trailers',
            trailer: 'x',
            'transfer-encoding': 'chunked',
            upgrade: 'h2c',
            'proxy-authorization': 'Basic x',
            expect: '100-continue',
            host: 'evil.example',
            'content-length': '17',
            'x-request-timeout-ms': '999999',
            'x-attempt-count': '0',
            'x-kept': ['1', '2'],
            'x-none': undefined,
          },
        }),
      );
      const { headers } = upstream.requests[0]!;
      expect(Object.keys(headers).sort()).to.deep.equal(['connection', 'host', 'x-attempt-count', 'x-kept', 'x-request-id']);
      expect(headers).to.include({ connection: 'keep-alive', host: upstream.origin.slice(7), 'x-attempt-count': '1', 'x-kept': '1, 2' });
    });

    it('encode calls that were made by hand', async () => {
      await using upstream = await scriptedUpstream(answers.ok());
      const call = new Call({
        side: 'client',
        operation: operation('up', 'PUT', '/a/:id'),
        params: { id: 'x y' },
        query: { q: '&' },
        body: [1],
        endpoint: { id: 'u', origin: upstream.origin },
      });
      expect((await transport.handle(call)).body).to.deep.equal({ ok: true });
      expect(upstream.requests[0]).to.include({ method: 'PUT', url: '/a/x%20y?q=%26' });
    });
  });

  describe('streams', () => {
    it('give the body as it comes, and end the call when it has', async () => {
      let go!: () => void;
      await using upstream = await scriptedUpstream({ body: 'x'.repeat(300_000), bodyAfter: new Promise<void>((resolve) => (go = resolve)) });
      const call = callTo(upstream.origin, { mode: 'stream' });
      const reply = await transport.handle(call);
      expect(reply.body).to.be.instanceOf(Readable);
      expect(call.ended).to.equal(false);
      const ended = endOf(call);
      go();
      expect(await buffer(reply.body as Readable)).to.have.length(300_000);
      expect(await ended).to.deep.equal({ kind: 'done', bytes: 300_000 });
    });

    let endless: Server | undefined;
    afterEach(() => {
      endless?.close();
      endless?.closeAllConnections();
    });

    it('hold the sender back when nobody reads fast enough', async () => {
      const server = createServer((_req, res) => {
        res.on('error', () => {});
        const more = (): void => {
          while (!res.destroyed && res.write(Buffer.alloc(65_536))) written++;
          written++;
          res.once('drain', more);
        };
        more();
      }).listen(0, '127.0.0.1');
      endless = server;
      let written = 0;
      await once(server, 'listening');
      const call = callTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { mode: 'stream' });
      const { body } = (await transport.handle(call)) as Reply<Readable>;
      const reader = body[Symbol.asyncIterator]();
      await reader.next();
      let before = -1;
      while (before !== written && written < 1_000) {
        before = written;
        for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
      expect(written, 'pieces of 64 KiB until the sender had to wait').to.be.below(1_000);
      expect(body.readableLength).to.be.below(300_000);
      for (let read = 0; read < 20_000_000;) read += ((await reader.next()) as IteratorYieldResult<Buffer>).value.length;
      expect(written).to.be.above(before);
      const ended = endOf(call);
      body.destroy();
      expect((await ended).kind).to.equal('aborted');
    });

    it('read the body of an error whole all the same', async () => {
      await using upstream = await scriptedUpstream(answers.status(503, { detail: 'no' }), answers.status(503, { detail: 'no' }));
      expect((await transport.handle(callTo(upstream.origin, { mode: 'stream' }))).body).to.deep.equal({ detail: 'no' });
      expect((await transport.handle(callTo(upstream.origin, { mode: 'raw' }))).body).to.deep.equal(Buffer.from('{"detail":"no"}'));
    });

    it('break with CONNECTION_LOST when the connection does', async () => {
      await using upstream = await scriptedUpstream(answers.resetMidBody());
      const call = callTo(upstream.origin, { mode: 'stream' });
      const ended = endOf(call);
      const reply = await transport.handle(call);
      expect(await failureOf(buffer(reply.body as Readable))).to.include({ code: 'UNAVAILABLE', reason: 'CONNECTION_LOST' });
      expect((await ended).kind).to.equal('failed');
    });

    it('tell of a connection that broke before the call has ended, so that who hears of the end can see how', async () => {
      await using upstream = await scriptedUpstream(answers.resetMidBody());
      const call = callTo(upstream.origin, { mode: 'stream' });
      let seen: unknown;
      const { body } = (await transport.handle(call)) as Reply<Readable>;
      const ended = endOf(call).then((end) => end.kind);
      call.onEnd(() => (seen = body.errored));
      expect(await failureOf(buffer(body))).to.include({ reason: 'CONNECTION_LOST' });
      expect(await ended).to.equal('failed');
      expect(seen).to.include({ reason: 'CONNECTION_LOST' });
    });

    const bodiless: readonly (readonly [string, ScriptedAnswer])[] = [
      ['HEAD', { body: 'abc' }],
      ['GET', { status: 204 }],
      ['GET', { status: 205 }],
      ['GET', { status: 304 }],
      ['GET', { headers: { 'content-length': '0' } }],
    ];
    for (const mode of ['stream', 'raw'] as const) {
      for (const [method, answer] of bodiless) {
        it(`hold nothing open for a reply without a body: ${mode} ${method} ${answer.status ?? 200}`, async () => {
          await using upstream = await scriptedUpstream(answer);
          const call = callTo(upstream.origin, { method, mode });
          const reply = await transport.handle(call);
          expect(reply).to.include({ status: answer.status ?? 200, body: undefined });
          expect(call.ended).to.equal(true);
        });
      }
    }

    it('are cancelled when the reader destroys them, and the server hears of it', async () => {
      await using upstream = await scriptedUpstream({ body: 'x', bodyAfter: new Promise(() => {}) });
      const call = callTo(upstream.origin, { mode: 'stream' });
      const reply = await transport.handle(call);
      const { finished } = await upstream.received(1);
      (reply.body as Readable).destroy();
      expect(await finished).to.equal(false);
      expect(call.ended).to.equal(true);
    });

    describe('without progress', () => {
      const idle = async (
        answer: ScriptedAnswer,
        use: (body: Readable) => void | Promise<void>,
      ): Promise<{ body: Readable; call: Call; clock: ReturnType<typeof manualClock>; stop: () => Promise<void> }> => {
        await transport[Symbol.asyncDispose]();
        const clock = manualClock();
        make({ clock });
        const upstream = await scriptedUpstream(answer);
        const call = callTo(upstream.origin, { mode: 'stream' });
        const { body } = (await transport.handle(call)) as Reply<Readable>;
        await use(body);
        return { body, call, clock, stop: () => upstream.close() };
      };

      it('are cancelled after 30 s when nobody reads', async () => {
        const { body, clock, stop } = await idle({ body: 'abc' }, () => {});
        await clock.advance(29_999);
        expect(body.destroyed).to.equal(false);
        await clock.advance(1);
        expect(body.destroyed).to.equal(true);
        expect(body.errored).to.include({ code: 'CANCELLED' });
        expect(clock.pending).to.equal(0);
        await stop();
      });

      it('are cancelled when the reader stops in the middle', async () => {
        const { body, call, clock, stop } = await idle({ body: 'x'.repeat(1_000_000) }, async (stream) => {
          await stream[Symbol.asyncIterator]().next();
          await new Promise((resolve) => setImmediate(resolve));
        });
        await clock.advance(30_000);
        expect(body.destroyed).to.equal(true);
        expect(call.ended).to.equal(true);
        await stop();
      });

      it('have lost their connection when nothing comes for 30 s although the reader waits', async () => {
        let failing: Promise<ServiceError> | undefined;
        const { call, clock, stop } = await idle(
          { body: 'never', bodyAfter: new Promise(() => {}) },
          (stream) => void (failing = failureOf(buffer(stream))),
        );
        await clock.advance(29_999);
        expect(call.ended).to.equal(false);
        const ended = endOf(call);
        await clock.advance(1);
        expect(await failing!).to.include({ code: 'UNAVAILABLE', reason: 'CONNECTION_LOST' });
        expect((await ended).kind).to.equal('aborted');
        expect(clock.pending).to.equal(0);
        await stop();
      });

      it('give the server its time from when the reader went on', async () => {
        let reader!: AsyncIterator<Buffer>;
        const { body, clock, stop } = await idle({ body: 'x'.repeat(1_000), headers: { 'content-length': '2000' } }, async (stream) => {
          await once(stream, 'readable');
          reader = stream[Symbol.asyncIterator]();
        });
        await clock.advance(29_000);
        await reader.next();
        const waiting = failureOf(reader.next());
        await clock.advance(29_000);
        expect(body.destroyed).to.equal(false);
        await clock.advance(1_000);
        expect(await waiting).to.include({ reason: 'CONNECTION_LOST' });
        await stop();
      });

      it('are left alone when they are event streams whose reader waits', async () => {
        let go!: () => void;
        let whole: Promise<Buffer> | undefined;
        const { clock, stop } = await idle(
          {
            body: 'late',
            bodyAfter: new Promise<void>((resolve) => (go = resolve)),
            headers: { 'content-type': 'text/event-stream; charset=utf-8' },
          },
          (stream) => void (whole = buffer(stream)),
        );
        await clock.advance(600_000);
        go();
        expect((await whole!).toString()).to.equal('late');
        expect(clock.pending).to.equal(0);
        await stop();
      });
    });

    it("are heard in the context of their caller, and a connection keeps nobody's context", async () => {
      const context = new AsyncLocalStorage<string>();
      await using upstream = await scriptedUpstream({ body: 'a', bodyAfter: Promise.resolve() }, { body: 'b', bodyAfter: Promise.resolve() });
      const heard = async (): Promise<(string | undefined)[]> => {
        const { body } = (await transport.handle(callTo(upstream.origin, { mode: 'stream' }))) as Reply<Readable>;
        const seen: (string | undefined)[] = [];
        body.on('data', () => seen.push(context.getStore())).on('end', () => seen.push(context.getStore()));
        await once(body, 'close');
        return seen;
      };
      expect(await context.run('first', heard)).to.deep.equal(['first', 'first']);
      expect(await context.run('second', heard)).to.deep.equal(['second', 'second']);
    });
  });

  describe('an abort', () => {
    it('before the call sends nothing', async () => {
      await using upstream = await scriptedUpstream();
      const call = callTo(upstream.origin);
      const reason = new ServiceError('CANCELLED', 'no longer');
      call.abort(reason);
      expect(await failureOf(transport.handle(call))).to.equal(reason);
      expect(upstream.requests).to.have.length(0);
    });

    it('while it waits for headers settles at once, cuts the connection and ends the call', async () => {
      await using upstream = await scriptedUpstream(answers.hang(), answers.ok());
      const call = callTo(upstream.origin);
      const failing = failureOf(transport.handle(call));
      const { finished } = await upstream.received(1);
      const reason = new ServiceError('CANCELLED', 'no longer');
      call.abort(reason);
      expect(call.ended).to.equal(true);
      expect(await failing).to.equal(reason);
      expect(await finished).to.equal(false);
      expect((await transport.handle(callTo(upstream.origin))).status).to.equal(200);
    });

    it('in the middle of the body as well', async () => {
      await using upstream = await scriptedUpstream({ body: 'x'.repeat(100), bodyAfter: new Promise(() => {}) });
      const call = callTo(upstream.origin);
      const answered = new Promise<number>((resolve) => call.onAnswered(resolve));
      const failing = failureOf(transport.handle(call));
      expect(await answered).to.equal(200);
      call.abort('a text');
      expect(await failing).to.include({ code: 'CANCELLED', cause: 'a text' });
      expect(await (await upstream.received(1)).finished).to.equal(false);
    });

    it('in the middle of a stream breaks it with the reason', async () => {
      await using upstream = await scriptedUpstream({ body: 'x', bodyAfter: new Promise(() => {}) });
      const call = callTo(upstream.origin, { mode: 'stream' });
      const reply = await transport.handle(call);
      const reason = new ServiceError('DEADLINE_EXCEEDED', 'over');
      const failing = failureOf(buffer(reply.body as Readable));
      call.abort(reason);
      expect(await failing).to.equal(reason);
      expect(call.ended).to.equal(true);
    });

    it('while it waits for a connection takes the request back and leaves the connection to others', async () => {
      await transport[Symbol.asyncDispose]();
      make({ connections: 1 });
      let go!: () => void;
      await using upstream = await scriptedUpstream(
        { body: 'first', headers: { 'content-type': 'text/plain' }, after: new Promise<void>((resolve) => (go = resolve)) },
        answers.ok(),
      );
      const first = transport.handle(callTo(upstream.origin));
      await upstream.received(1);
      const second = callTo(upstream.origin);
      const failing = failureOf(transport.handle(second));
      second.abort(new ServiceError('CANCELLED', 'no longer'));
      expect(await failing).to.include({ code: 'CANCELLED' });
      expect(second.ended).to.equal(true);
      go();
      expect((await first).body).to.equal('first');
      await transport.handle(callTo(upstream.origin));
      expect(upstream.requests.map(({ connection }) => connection)).to.deep.equal([1, 1]);
    });

    it('of those who wait behind an endless stream leaves nothing of them in the queue', async () => {
      await transport[Symbol.asyncDispose]();
      make({ connections: 1 });
      await using upstream = await scriptedUpstream({ body: 'x', bodyAfter: new Promise(() => {}) }, answers.ok());
      const endless = await transport.handle(callTo(upstream.origin, { mode: 'stream' }));
      const giveUp = async (): Promise<WeakRef<object>> => {
        const body = Buffer.alloc(100_000);
        const call = callTo(upstream.origin, { method: 'POST', body });
        const failing = failureOf(transport.handle(call));
        call.abort(new ServiceError('CANCELLED', 'no longer'));
        expect(await failing).to.include({ code: 'CANCELLED' });
        return new WeakRef(body);
      };
      const bodies = [await giveUp(), await giveUp(), await giveUp()];
      const next = transport.handle(callTo(upstream.origin));
      await new Promise((resolve) => setImmediate(resolve));
      collectGarbage();
      expect(bodies.map((body) => body.deref() === undefined)).to.deep.equal([true, true, true]);
      (endless.body as Readable).destroy();
      expect((await next).status).to.equal(200);
      expect(upstream.requests).to.have.length(2);
    });

    it('makes no AbortSignal and leaves no listener behind', async () => {
      await using upstream = await scriptedUpstream(answers.ok());
      const listeners = new Set<unknown>();
      const call = callTo(upstream.origin);
      Object.defineProperty(call, 'signal', { get: () => expect.fail('a signal was made') });
      Object.defineProperty(call, 'onAbort', {
        value: (listener: unknown) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      });
      const reply = transport.handle(call);
      await upstream.received(1);
      expect(listeners.size).to.equal(1);
      await reply;
      expect(listeners.size).to.equal(0);
    });
  });

  it('forgets an origin: idle connections close at once, a busy one when its work has ended, and it can be called again', async () => {
    let go!: () => void;
    await using upstream = await scriptedUpstream({ body: { busy: true }, after: new Promise<void>((resolve) => (go = resolve)) }, answers.ok());
    const busy = transport.handle(callTo(upstream.origin));
    await upstream.received(1);
    transport.forget(upstream.origin);
    transport.forget('http://127.0.0.1:1');
    await transport.handle(callTo(upstream.origin));
    go();
    expect((await busy).body).to.deep.equal({ busy: true });
    expect(upstream.requests.map(({ connection }) => connection)).to.deep.equal([1, 2]);
  });

  it('when closed cuts what is still open, forgotten origins included', async () => {
    await using upstream = await scriptedUpstream(answers.hang(), answers.hang());
    const failing = [failureOf(transport.handle(callTo(upstream.origin)))];
    await upstream.received(1);
    transport.forget(upstream.origin);
    failing.push(failureOf(transport.handle(callTo(upstream.origin))));
    await upstream.received(2);
    await transport[Symbol.asyncDispose]();
    for (const failure of failing) expect(await failure).to.include({ code: 'UNAVAILABLE', reason: 'CONNECTION_LOST' });
  });

  it('when closed refuses those who wait for one of its connections', async () => {
    await transport[Symbol.asyncDispose]();
    make({ connections: 1 });
    await using upstream = await scriptedUpstream(answers.hang());
    const busy = failureOf(transport.handle(callTo(upstream.origin)));
    await upstream.received(1);
    const waiting = [1, 2, 3].map(() => failureOf(transport.handle(callTo(upstream.origin))));
    await transport[Symbol.asyncDispose]();
    expect(await busy).to.include({ reason: 'CONNECTION_LOST' });
    for (const failure of waiting) expect(await failure).to.include({ code: 'UNAVAILABLE', reason: 'CONNECT_FAILED', unsent: true });
  });

  describe('the dispatcher of the built-in fetch', () => {
    const run = async (script: string): Promise<string> =>
      (
        await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { cwd: import.meta.dirname, timeout: 8_000 })
      ).stdout.trim();
    const use = `
      import { createServer } from 'node:http';
      const server = createServer((_req, res) => res.end('hi')).listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      const origin = 'http://127.0.0.1:' + server.address().port;
      const found = () => [1, 2].map((version) => globalThis[Symbol.for('undici.globalDispatcher.' + version)]);
      const { client } = await import('@ferrule/core');
      const call = async () => { const orders = client(origin); const { status } = await orders.request('GET', '/'); await orders[Symbol.asyncDispose](); return status; };
    `;

    // Node 24 makes it when `node:http` is imported (its namespace holds WebSocket), Node 20 at the first fetch: what counts is that a call of ours changes nothing.
    it('is as a call found it, set or not, and fetch goes on with its own', async () => {
      const output = await run(`${use}
        const before = found();
        const status = await call();
        const untouched = found().every((one, index) => one === before[index]);
        const text = await (await fetch(origin)).text();
        const [own] = found();
        await call();
        console.log(JSON.stringify([status, untouched, text, own.constructor.name, found()[0] === own]));
        process.exit();`);
      expect(JSON.parse(output)).to.deep.equal([200, true, 'hi', 'Agent', true]);
    });

    it('stays what somebody had set', async () => {
      const output = await run(`${use}
        await fetch(origin).then((reply) => reply.text());
        const [own] = found();
        const status = await call();
        console.log(JSON.stringify([status, own !== undefined, found()[0] === own]));
        process.exit();`);
      expect(JSON.parse(output)).to.deep.equal([200, true, true]);
    });

    it('nor is undici loaded before a transport is made', async () => {
      const output = await run(`
        import { createRequire } from 'node:module';
        const loaded = () => Object.keys(createRequire(process.cwd() + '/').cache).some((path) => path.includes('/undici/'));
        const { client } = await import('@ferrule/core');
        const before = loaded();
        await client('http://127.0.0.1:1', { retry: false }).get('/').catch(() => {});
        console.log(JSON.stringify([before, loaded()]));
        process.exit();`);
      expect(JSON.parse(output)).to.deep.equal([false, true]);
    });
  });
});
