import assert from 'node:assert/strict';
import { Reply, get, head, options, post, put, route } from '@ferrule/core';
import { requestBytes } from '../raw-http.js';
import { problemOf, stageCase } from './stage.js';
import type { HttpAdapterCase } from './stage.js';

const params = get('/items/:id', (call) => ({ id: call.params['id'] }));
const query = get('/search', (call) => call.query);
const tags = get('/tags', (call) => ({ tag: call.header('x-tag'), cookie: call.header('cookie') }));
const echo = post('/echo', (call) => ({ body: call.body ?? null }));
const small = post('/small', { bodyLimit: 16 }, (call) => ({ body: call.body ?? null }));
const json = { 'content-type': 'application/json' };

const routing: readonly HttpAdapterCase[] = [
  stageCase('a path parameter arrives decoded', async (stage) => {
    assert.deepEqual((await stage.play([params], 'GET', '/items/a%20b+c')).json(), { id: 'a b+c' });
  }),
  stageCase('%2F in a path parameter is a slash of its value, not of the path', async (stage) => {
    assert.deepEqual((await stage.play([params], 'GET', '/items/a%2Fb')).json(), { id: 'a/b' });
  }),
  stageCase('a path parameter may hold any Unicode text', async (stage) => {
    assert.deepEqual((await stage.play([params], 'GET', `/items/${encodeURIComponent('użytkownik 用户 😀')}`)).json(), { id: 'użytkownik 用户 😀' });
  }),
  stageCase('a malformed escape in the path is a 400 problem, and the next request on the connection is served', async (stage) => {
    const connection = await stage.connect(await stage.start({ routes: [params] }));
    connection.send(requestBytes('GET', '/items/%E0%A4%A'));
    problemOf(await connection.reply(), 400, 'INVALID_ARGUMENT');
    connection.send(requestBytes('GET', '/items/1'));
    assert.deepEqual((await connection.reply()).json(), { id: '1' });
  }),
  stageCase('a path matches in any case and with a slash at its end, and parameters keep their case', async (stage) => {
    const service = await stage.start({ routes: [params] });
    for (const target of ['/ITEMS/AbC', '/items/AbC/', '/Items/AbC/?x=1'])
      assert.deepEqual((await stage.ask(service, 'GET', target)).json(), { id: 'AbC' }, target);
  }),
  stageCase('a fixed path is preferred to one with a parameter, whatever order they were given in', async (stage) => {
    const service = await stage.start({ routes: [params, get('/items/latest', () => 'fixed')] });
    assert.equal((await stage.ask(service, 'GET', '/items/latest')).text, 'fixed');
    assert.deepEqual((await stage.ask(service, 'GET', '/items/later')).json(), { id: 'later' });
  }),
  stageCase('a query parameter arrives decoded, a repeated one as an array', async (stage) => {
    assert.deepEqual((await stage.play([query], 'GET', '/search?q=a+b%26c&tag=x&tag=y&empty=')).json(), { q: 'a b&c', tag: ['x', 'y'], empty: '' });
  }),
  stageCase('a query with malformed escapes or a forbidden name is served and pollutes nothing', async (stage) => {
    const reply = await stage.play([query], 'GET', '/search?q=%E0%A4%A&__proto__=polluted&__proto__[x]=1');
    assert.equal(reply.status, 200);
    assert.equal(({} as Record<string, unknown>)['x'], undefined);
    assert.equal(typeof (reply.json() as { q: unknown }).q, 'string');
  }),
  stageCase('a repeated header field arrives joined', async (stage) => {
    assert.deepEqual((await stage.play([tags], 'GET', '/tags', { 'X-Tag': ['a', 'b'], Cookie: ['c=1', 'd=2'] })).json(), {
      tag: 'a, b',
      cookie: 'c=1; d=2',
    });
  }),
  stageCase('HEAD is answered like GET, without the body, and the connection goes on', async (stage) => {
    const connection = await stage.connect(await stage.start({ routes: [params] }));
    connection.send(requestBytes('GET', '/items/1'));
    const full = await connection.reply();
    connection.send(requestBytes('HEAD', '/items/1'));
    const bare = await connection.reply('HEAD');
    assert.deepEqual(
      [bare.status, bare.header('content-type'), bare.header('content-length')],
      [200, full.header('content-type'), full.header('content-length')],
    );
    connection.send(requestBytes('GET', '/items/2'));
    assert.deepEqual((await connection.reply()).json(), { id: '2' });
  }),
  stageCase('a route for HEAD is preferred to the one for GET', async (stage) => {
    const reply = await stage.play([get('/x', () => 'get'), head('/x', () => new Reply(204, undefined, { 'x-from': 'head' }))], 'HEAD', '/x');
    assert.deepEqual([reply.status, reply.header('x-from')], [204, 'head']);
  }),
  stageCase('a route for OPTIONS answers it', async (stage) => {
    const reply = await stage.play(
      [options('/x', () => new Reply(204, undefined, { allow: 'GET', 'access-control-allow-origin': '*' }))],
      'OPTIONS',
      '/x',
    );
    assert.deepEqual([reply.status, reply.header('access-control-allow-origin')], [204, '*']);
  }),
  stageCase('OPTIONS of a path without a route for it names the allowed methods', async (stage) => {
    const reply = await stage.play([params], 'OPTIONS', '/items/1');
    assert.deepEqual(methodsOf(reply.header('allow')), ['GET', 'HEAD']);
  }),
  stageCase('a route for a method of another kind is served', async (stage) => {
    assert.deepEqual((await stage.play([route('PROPFIND', '/x', () => ({ found: true }))], 'PROPFIND', '/x')).json(), { found: true });
  }),
  stageCase('an unknown path is a 404 problem', async (stage) => {
    assert.equal(problemOf(await stage.play([params], 'GET', '/nothing/here'), 404, 'NOT_FOUND')['reason'], 'ROUTE_NOT_FOUND');
  }),
  stageCase('a known path with another method is a 405 problem that names the allowed methods', async (stage) => {
    const service = await stage.start({ routes: [params, put('/items/:id', () => undefined)] });
    const reply = await stage.ask(service, 'DELETE', '/items/1');
    assert.equal(problemOf(reply, 405, 'UNIMPLEMENTED')['reason'], 'METHOD_NOT_ALLOWED');
    assert.deepEqual(methodsOf(reply.header('allow')), ['GET', 'HEAD', 'PUT']);
  }),
];

const bodies: readonly HttpAdapterCase[] = [
  stageCase('a JSON body arrives parsed, with a charset and with a type that ends in +json too', async (stage) => {
    const service = await stage.start({ routes: [echo] });
    for (const type of ['application/json', 'application/json; charset=utf-8', 'application/vnd.order+json', 'APPLICATION/JSON']) {
      assert.deepEqual(
        (await stage.ask(service, 'POST', '/echo', { 'content-type': type }, '{"a":[1,"ż"]}')).json(),
        { body: { a: [1, 'ż'] } },
        type,
      );
    }
  }),
  stageCase('a JSON body may be any value', async (stage) => {
    const service = await stage.start({ routes: [echo] });
    for (const value of [0, false, '', 'text', [], [null]]) {
      assert.deepEqual((await stage.ask(service, 'POST', '/echo', json, JSON.stringify(value))).json(), { body: value });
    }
  }),
  stageCase('a text body arrives as text', async (stage) => {
    assert.deepEqual((await stage.play([echo], 'POST', '/echo', { 'content-type': 'text/plain; charset=utf-8' }, 'zażółć')).json(), {
      body: 'zażółć',
    });
  }),
  stageCase('a form arrives as an object, a repeated field as an array', async (stage) => {
    const reply = await stage.play([echo], 'POST', '/echo', { 'content-type': 'application/x-www-form-urlencoded' }, 'a=1+2&b=x&b=y%26z');
    assert.deepEqual(reply.json(), { body: { a: '1 2', b: ['x', 'y&z'] } });
  }),
  stageCase('a body in chunks is read whole', async (stage) => {
    const connection = await stage.connect(await stage.start({ routes: [echo] }));
    connection.send(requestBytes('POST', '/echo', { ...json, 'transfer-encoding': 'chunked' }));
    connection.send('4\r\n{"a"\r\n');
    connection.send('3\r\n:1}\r\n0\r\n\r\n');
    assert.deepEqual((await connection.reply()).json(), { body: { a: 1 } });
  }),
  stageCase('an empty body is undefined, whatever its type', async (stage) => {
    const service = await stage.start({ routes: [echo] });
    for (const headers of [{}, json, { 'content-type': 'text/csv' }]) {
      assert.deepEqual((await stage.ask(service, 'POST', '/echo', { ...headers, 'content-length': '0' })).json(), { body: null });
    }
  }),
  stageCase('malformed JSON is a 400 problem that does not quote it, and the handler does not run', async (stage) => {
    let ran = false;
    const reply = await stage.play([post('/echo', () => (ran = true))], 'POST', '/echo', json, '{"secret":"hunter2",}');
    assert.equal(problemOf(reply, 400, 'INVALID_ARGUMENT')['reason'], 'MALFORMED_BODY');
    assert.equal(ran, false);
    assert.doesNotMatch(reply.text, /hunter2/);
  }),
  stageCase('a type that no parser knows arrives as bytes', async (stage) => {
    const binary = post('/binary', (call) => ({ bytes: call.body instanceof Uint8Array && Buffer.from(call.body).toString('hex') }));
    assert.deepEqual((await stage.play([binary], 'POST', '/binary', { 'content-type': 'application/x-own' }, Buffer.from('00ff10', 'hex'))).json(), {
      bytes: '00ff10',
    });
  }),
  stageCase('a charset or an encoding that nobody decodes is a 415 problem', async (stage) => {
    const service = await stage.start({ routes: [echo] });
    for (const headers of [{ 'content-type': 'application/json; charset=klingon' }, { ...json, 'content-encoding': 'x-own' }]) {
      problemOf(await stage.ask(service, 'POST', '/echo', headers, '{}'), 415, 'INVALID_ARGUMENT');
    }
  }),
  stageCase('a body that announces more than the limit is a 413 problem before it is sent', async (stage) => {
    const connection = await stage.connect(await stage.start({ routes: [small] }));
    connection.send(requestBytes('POST', '/small', { ...json, 'content-length': '17' }));
    assert.equal(problemOf(await connection.reply(), 413)['reason'], 'BODY_TOO_LARGE');
  }),
  stageCase('a body in chunks is cut at the limit: a 413 problem, and the connection closes', async (stage) => {
    const connection = await stage.connect(await stage.start({ routes: [small] }));
    connection.send(requestBytes('POST', '/small', { ...json, 'transfer-encoding': 'chunked' }));
    connection.send(`11\r\n"${'x'.repeat(16)}\r\n`);
    problemOf(await connection.reply(), 413);
    await connection.closed;
  }),
  stageCase('a body of exactly the limit is read', async (stage) => {
    assert.deepEqual((await stage.play([small], 'POST', '/small', json, '"12345678901234"')).json(), { body: '12345678901234' });
  }),
  stageCase('JSON a hundred thousand levels deep does no harm', async (stage) => {
    const service = await stage.start({ routes: [echo, params] });
    problemOf(await stage.ask(service, 'POST', '/echo', json, '['.repeat(100_000) + ']'.repeat(100_000)), 400, 'INVALID_ARGUMENT');
    assert.equal((await stage.ask(service, 'GET', '/items/1')).status, 200);
  }),
  stageCase('__proto__ in JSON reaches no prototype', async (stage) => {
    const merge = post('/merge', (call) => {
      const merged = Object.assign({}, call.body) as Record<string, unknown>;
      return { own: merged['polluted'] ?? null, all: ({} as Record<string, unknown>)['polluted'] ?? null };
    });
    const reply = await stage.play([merge], 'POST', '/merge', json, '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}');
    if (reply.status === 200) assert.deepEqual(reply.json(), { own: null, all: null });
    else problemOf(reply, 400);
  }),
  stageCase('Expect: 100-continue is answered before the body is sent', async (stage) => {
    const connection = await stage.connect(await stage.start({ routes: [echo] }));
    connection.send(requestBytes('POST', '/echo', { ...json, expect: '100-continue', 'content-length': '2' }));
    assert.equal(await connection.interim(), 100);
    connection.send('42');
    assert.deepEqual((await connection.reply()).json(), { body: 42 });
  }),
  stageCase('a route can ask for bytes, for the stream, or for nothing', async (stage) => {
    const service = await stage.start({
      routes: [
        post('/bytes', { body: 'bytes' }, (call) => ({ text: Buffer.from(call.body as Uint8Array).toString() })),
        post('/stream', { body: 'stream' }, async (call) => {
          let length = 0;
          for await (const piece of call.body as AsyncIterable<Uint8Array>) length += piece.length;
          return { length };
        }),
        post('/none', { body: 'none' }, (call) => ({ body: call.body ?? null })),
      ],
    });
    assert.deepEqual((await stage.ask(service, 'POST', '/bytes', json, '{"a"')).json(), { text: '{"a"' });
    assert.deepEqual((await stage.ask(service, 'POST', '/stream', json, 'x'.repeat(200_000))).json(), { length: 200_000 });
    assert.deepEqual((await stage.ask(service, 'POST', '/none', json, '{"a"')).json(), { body: null });
  }),
  stageCase('a body that the handler did not read does not spoil the next request on the connection', async (stage) => {
    const connection = await stage.connect(await stage.start({ routes: [post('/none', { body: 'none' }, () => 'first'), echo] }));
    connection.send(requestBytes('POST', '/none', json, 'x'.repeat(1_000)));
    assert.equal((await connection.reply()).text, 'first');
    connection.send(requestBytes('POST', '/echo', json, '2'));
    assert.deepEqual((await connection.reply()).json(), { body: 2 });
  }),
  stageCase('a client that leaves in the middle of its body does no harm', async (stage) => {
    let ran = false;
    const service = await stage.start({ routes: [post('/echo', () => (ran = true)), params] });
    const connection = await stage.connect(service);
    connection.send(requestBytes('POST', '/echo', { ...json, 'content-length': '100' }, '{"a":'));
    connection.destroy('reset');
    assert.equal((await stage.ask(service, 'GET', '/items/1')).status, 200);
    assert.equal(ran, false);
  }),
];

export const requestCases: readonly HttpAdapterCase[] = [...routing, ...bodies];

function methodsOf(allow: string | undefined): string[] {
  return (allow ?? '')
    .split(/\s*,\s*/)
    .filter((method) => method !== '' && method !== 'OPTIONS')
    .toSorted();
}
