import { once } from 'node:events';
import { expect } from 'chai';
import { EXCHANGE, get, post } from '@ferrule/core';
import type { Call, Wrapper } from '@ferrule/core';
import { requestBytes } from '@ferrule/testing';
import { bareServers } from './server-fixture.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const echo = post('/echo', ({ body }) => ({ body: body ?? null }));

describe('a request body', () => {
  const { serve, close } = bareServers();
  afterEach(close);

  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
  const json: readonly (readonly [string, string, number])[] = [
    ['64 levels', nested(64), 200],
    ['65 levels', nested(65), 400],
    ['brackets inside of text', JSON.stringify({ a: '['.repeat(200), b: '\\"[[', c: `\\${'{'.repeat(200)}` }), 200],
    ['65 levels behind an escaped quote', `["\\\\","\\"",${nested(65)}]`, 400],
    ['text that never ends', `["${'['.repeat(200)}`, 400],
    ['__proto__', '{"a":[{"__proto__":{"x":1}}]}', 400],
    ['an escaped __proto__', '{"\\u005f_proto\\u005f_":{"x":1}}', 400],
    ['constructor.prototype', '{"constructor":{"prototype":{"x":1}}}', 400],
    ['constructor as a word', '{"constructor":"ACME","text":"__proto__"}', 200],
    ['a byte order mark', '\uFEFF{"a":1}', 200],
    ['a comment', '{"a":1} // x', 400],
    ['NaN', 'NaN', 400],
    ['white space alone', '   ', 400],
  ];
  for (const [what, text, status] of json) {
    it(`as JSON with ${what} is ${status}`, async () => {
      const reply = await (await serve([echo])).ask('POST', '/echo', JSON_TYPE, text);
      expect(reply.status).to.equal(status);
      if (status === 200) expect(reply.json()).to.deep.equal({ body: JSON.parse(text.replace('\uFEFF', '')) as unknown });
      else expect(reply.json()).to.include({ code: 'INVALID_ARGUMENT', reason: 'MALFORMED_BODY' });
    });
  }

  it('that is no UTF-8 is 400', async () => {
    const reply = await (await serve([echo])).ask('POST', '/echo', JSON_TYPE, Buffer.from([0x22, 0xc3, 0x28, 0x22]));
    expect(reply.status).to.equal(400);
  });

  it('in another charset is decoded', async () => {
    const reply = await (await serve([echo])).ask('POST', '/echo', { 'content-type': 'text/plain; charset="iso-8859-2"' }, Buffer.from([0xbf]));
    expect(reply.json()).to.deep.equal({ body: 'ż' });
  });

  it('as a form has no prototype to pollute and at most a thousand fields', async () => {
    const bare = await serve([echo, post('/proto', ({ body }) => ({ prototype: Object.getPrototypeOf(body) as unknown }))]);
    expect((await bare.ask('POST', '/proto', FORM, '__proto__=1&a=2')).json()).to.deep.equal({ prototype: null });
    expect((await bare.ask('POST', '/echo', FORM, Array.from({ length: 1_000 }, (_, n) => `f${n}=`).join('&'))).status).to.equal(200);
    expect((await bare.ask('POST', '/echo', FORM, '&'.repeat(1_000))).status).to.equal(413);
  });

  it('that is compressed is 415 and says what would be right', async () => {
    const reply = await (await serve([echo])).ask('POST', '/echo', { ...JSON_TYPE, 'content-encoding': 'gzip' }, '{}');
    expect([reply.status, reply.header('accept-encoding')]).to.deep.equal([415, 'identity']);
  });

  it('over the limit is answered to a client that reads only after it has sent', async () => {
    const bare = await serve([post('/small', { bodyLimit: 10 }, () => 'never')]);
    for (const headers of [{ 'content-length': '3000000' }, { 'transfer-encoding': 'chunked' }]) {
      const connection = await bare.connect();
      connection.send(requestBytes('POST', '/small', { ...JSON_TYPE, ...headers }));
      const block = Buffer.alloc(1_000_000, 'x');
      for (let sent = 0; sent < 3; sent++)
        connection.send('content-length' in headers ? block : Buffer.concat([Buffer.from('f4240\r\n'), block, Buffer.from('\r\n')]));
      if (connection.socket.writableLength > 0) await once(connection.socket, 'drain');
      const reply = await connection.reply();
      expect([reply.status, reply.complete, reply.header('connection')]).to.deep.equal([413, true, 'close']);
      await connection.closed;
    }
  });

  it('shorter than announced ends the call as aborted, and the handler never runs', async () => {
    let ran = false;
    let heard!: (kind: string) => void;
    const ended = new Promise<string>((resolve) => (heard = resolve));
    const listening: Wrapper = (next) => (call) => {
      call.onEnd(({ kind }) => heard(kind));
      return next(call);
    };
    const connection = await (await serve([post('/echo', () => (ran = true))], { limits: [listening] })).connect();
    connection.send(requestBytes('POST', '/echo', { ...JSON_TYPE, 'content-length': '100' }, '{"a"'));
    connection.end();
    expect(await ended).to.equal('aborted');
    expect(ran).to.equal(false);
  });

  it('longer than announced: the rest is no part of it, and no request', async () => {
    const connection = await (await serve([echo])).connect();
    connection.send(requestBytes('POST', '/echo', { ...JSON_TYPE, 'content-length': '1' }, '1'));
    expect((await connection.reply()).json()).to.deep.equal({ body: 1 });
    connection.send('23\r\n\r\n');
    expect((await connection.reply()).status).to.equal(400);
    await connection.closed;
  });

  it('is not read for a route that answers before, and the connection goes on', async () => {
    const refused = post(
      '/x',
      () => async (call: Call) => {
        throw Object.assign(new Error(call.label), { status: 401 });
      },
      () => 'never',
    );
    const connection = await (await serve([refused, get('/y', () => 'y')])).connect();
    connection.send(requestBytes('POST', '/x', JSON_TYPE, 'x'.repeat(100_000)));
    expect((await connection.reply()).status).to.equal(401);
    connection.send(requestBytes('GET', '/y'));
    expect((await connection.reply()).text).to.equal('y');
  });

  it('stays unread with the native request at hand', async () => {
    const streamed = post('/x', { body: 'none' }, async (call) => {
      let length = 0;
      for await (const chunk of call.values.get(EXCHANGE)!.req) length += (chunk as Buffer).length;
      return { length };
    });
    expect((await (await serve([streamed])).ask('POST', '/x', {}, 'x'.repeat(70_000))).json()).to.deep.equal({ length: 70_000 });
  });
});
