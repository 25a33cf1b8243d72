import { inspect } from 'node:util';
import { expect } from 'chai';
import { RemoteError, Reply, ServiceError, Call, createService, errorAggregator, errorMonitor, get, jsonLogger, post } from '@ferrule/core';
import type { Route } from '@ferrule/core';
import { operation, remoteErrors } from '@ferrule/core/adapter';
import { rawRequest, requestBytes } from '@ferrule/testing';
import type { HttpAdapterSubject, RawReply } from '@ferrule/testing';
import { subjects } from './subjects.js';

const SECRET = 'hunter2hunter2';

interface Stage extends AsyncDisposable {
  ask(method: string, path: string, headers?: Readonly<Record<string, string>>, body?: string): Promise<RawReply>;
  readonly lines: string[];
}

async function open(subject: HttpAdapterSubject, ...routes: readonly Route[]): Promise<Stage> {
  const lines: string[] = [];
  const service = createService({
    name: 'stage',
    adapter: subject.createAdapter(),
    signals: false,
    logger: jsonLogger({ level: 'error', write: (line) => lines.push(line) }),
    drainDelay: 0,
    listen: { host: '127.0.0.1' },
    routes,
  });
  const target = await service.start();
  return {
    lines,
    ask: (...parts) => rawRequest(target, requestBytes(...parts)),
    [Symbol.asyncDispose]: () => service.stop(),
  };
}

const failing = (error: () => unknown): Route =>
  get('/fail', () => {
    throw error();
  });

/** The attacks that errors, headers, logs and bodies are open to; each once at each host. */
describe('attacks', () => {
  for (const subject of subjects) {
    describe(`at ${subject.name}`, () => {
      for (const detail of ['a\r\nset-cookie: x=1', '用户不存在', '\u0000', 'a\nb']) {
        it(`error text ${JSON.stringify(detail)} reaches no header and no reason phrase`, async () => {
          await using stage = await open(
            subject,
            failing(() => new ServiceError('NOT_FOUND', detail, { reason: detail, title: detail, type: detail })),
          );
          const reply = await stage.ask('GET', '/fail');
          expect([reply.status, reply.statusText]).to.deep.equal([404, 'Not Found']);
          expect(reply.header('set-cookie')).to.equal(undefined);
          expect(JSON.parse(reply.text)).to.include({ detail, title: detail });
          expect([...reply.fields.values()].flat().join('')).to.match(/^[\x20-\x7e]*$/);
        });
      }

      it('a body with __proto__ changes no prototype, nor do fields of an error', async () => {
        const body = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
        await using stage = await open(
          subject,
          post('/echo', (call) => new Reply(200, call.body)),
          failing(() => Object.assign(new ServiceError('NOT_FOUND', 'x', { errors: [JSON.parse(body)] as never }), JSON.parse(body) as object)),
        );
        await stage.ask('POST', '/echo', { 'content-type': 'application/json' }, body);
        await stage.ask('GET', '/fail');
        expect(({} as { polluted?: unknown }).polluted).to.equal(undefined);
      });

      it('a message of a megabyte in patterns costs no more than its first kilobyte', async () => {
        const aggregator = errorAggregator({
          patterns: Array.from({ length: 100 }, (_, index) => ({ type: `t${index}`, match: { glob: `*a*a*a*a*b${index}` } })),
        });
        await using stage = await open(
          subject,
          get('/fail', () => {
            const error = new Error('a'.repeat(1_000_000));
            aggregator.record(error);
            throw error;
          }),
        );
        expect((await stage.ask('GET', '/fail')).status).to.equal(500);
        expect(aggregator.report().events[0]).to.deep.include({ service: 'stage', operation: 'GET /fail', message: 'a'.repeat(256) });
        expect(() => errorAggregator({ patterns: [{ type: 'evil', match: '(a+)+$' }] })).to.throw(TypeError, /regular expression/);
      });

      it('a forged line in a message stays inside of its line', async () => {
        await using stage = await open(
          subject,
          failing(() => new Error(`a\n{"level":"error","msg":"forged"}\u001b[2J\u2028${'x'.repeat(100_000)}`)),
        );
        await stage.ask('GET', '/fail');
        expect(stage.lines).to.have.length(1);
        expect(stage.lines[0]!.slice(0, -1)).to.match(/^[\x20-\x7e…]*$/);
        expect(Buffer.byteLength(stage.lines[0]!)).to.be.at.most(8_193);
        expect(JSON.parse(stage.lines[0]!)).to.include({ msg: 'A request failed' });
      });

      it('paths that nobody has declared make no keys', async () => {
        const monitor = errorMonitor();
        const route = get('/users/:id', { wrappers: [monitor] }, (call) => {
          throw new ServiceError('NOT_FOUND', `no ${call.params['id']}`);
        });
        await using stage = await open(subject, route);
        for (let index = 0; index < 50; index++) await stage.ask('GET', `/users/${index}`);
        expect(monitor.stats().keys).to.deep.equal({ services: 1, operations: 1 });
      });

      for (const [what, id] of [
        ['of 8,000 characters', 'x'.repeat(8_000)],
        ['that climbs', '../../etc/passwd'],
        ['with quotes and markup', '"><script>'],
      ] as const) {
        it(`a request id ${what} is replaced, in header, body and log`, async () => {
          await using stage = await open(
            subject,
            failing(() => new Error('x')),
          );
          const reply = await stage.ask('GET', '/fail', { 'x-request-id': id, traceparent: id });
          const own = reply.header('x-request-id')!;
          expect(own).to.match(/^[0-9a-f-]{36}$/);
          expect(JSON.parse(reply.text)).to.include({ requestId: own }).and.not.have.property('traceId');
          expect(JSON.parse(stage.lines[0]!)).to.include({ requestId: own });
          expect(stage.lines[0]).to.not.include(id);
        });
      }

      it('fields of a foreign error, tokens and the requests it carries, reach neither body nor header nor log', async () => {
        const error = (): Error =>
          Object.assign(new Error(`GET https://consul/v1/kv?token=${SECRET} failed`), {
            token: SECRET,
            config: { headers: { authorization: `Bearer ${SECRET}`, 'X-Consul-Token': SECRET } },
            headers: { 'set-cookie': SECRET, 'x-consul-token': SECRET },
            cause: Object.assign(new Error(`postgres://app:${SECRET}@db/x`), { password: SECRET }),
          });
        await using stage = await open(subject, failing(error));
        const reply = await stage.ask('GET', '/fail');
        expect(reply.text + inspect(reply.fields) + stage.lines.join('')).to.not.include(SECRET);
        expect(Object.keys(JSON.parse(reply.text) as object)).to.have.members([
          'type',
          'title',
          'status',
          'detail',
          'instance',
          'code',
          'requestId',
          'retryable',
          'service',
        ]);
      });

      it('a forged problem of another service gives its error no stack, name or prototype, and our client nothing', async () => {
        const body = `{"status":200,"detail":"${SECRET}","stack":"forged","name":"Forged","expose":true,"__proto__":{"polluted":1},"code":"constructor"}`;
        const call = new Call({ side: 'client', operation: operation('users', 'GET', '/x'), endpoint: { id: 'a', origin: 'http://10.0.0.1' } });
        let caught: unknown;
        const route = get('/fail', async () => {
          try {
            return await remoteErrors()(() => Promise.resolve(new Reply(401, Buffer.from(body), { 'content-type': 'application/problem+json' })))(
              call,
            );
          } catch (error) {
            caught = error;
            throw error;
          }
        });
        await using stage = await open(subject, route);
        const reply = await stage.ask('GET', '/fail');
        expect(reply.status).to.equal(500);
        expect(reply.text).to.not.include(SECRET);
        expect(caught).to.be.instanceOf(RemoteError);
        expect(caught).to.include({ name: 'RemoteError', code: 'UNAUTHENTICATED', status: 401, expose: false });
        expect((caught as Error).stack).to.not.include('forged');
        expect(({} as { polluted?: unknown }).polluted).to.equal(undefined);
      });
    });
  }
});
