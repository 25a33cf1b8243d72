import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import * as v from 'valibot';
import { z } from 'zod';
import { Reply, ServiceError, get, post, put, retry } from '@ferrule/core';
import type { StandardSchema } from '@ferrule/core';
import { nativeHandler } from '@ferrule/core/adapter';
import { bareServers } from './server-fixture.js';

const JSON_TYPE = { 'content-type': 'application/json' };

describe('validation by Standard Schema', () => {
  const servers = bareServers();
  after(() => servers.close());
  const pointers = (reply: { json(): unknown }): readonly string[] =>
    (reply.json() as { errors: { pointer: string }[] }).errors.map(({ pointer }) => pointer);

  it('hands a functional route what the schemas made, of zod and of valibot', async () => {
    const bare = await servers.serve([
      get('/zod/:id', { input: { params: z.object({ id: z.coerce.number() }), query: z.object({ q: z.string().default('none') }) } }, (_, input) => ({
        id: input.params.id + 1,
        q: input.query.q.toUpperCase(),
      })),
      post('/valibot', { input: { body: v.object({ at: v.pipe(v.string(), v.transform(Number)) }) }, status: 201 }, ({ operation }, { body }) => ({
        at: body.at + 1,
        name: operation.name,
      })),
      get('/headers', { input: { headers: v.looseObject({ 'x-n': v.string() }) } }, (_, { headers }) => headers['x-n']),
    ]);
    expect((await bare.ask('GET', '/zod/5')).json()).to.deep.equal({ id: 6, q: 'NONE' });
    const posted = await bare.ask('POST', '/valibot', JSON_TYPE, '{"at":"4"}');
    expect([posted.status, posted.json()]).to.deep.equal([201, { at: 5, name: 'POST /valibot' }]);
    expect((await bare.ask('GET', '/headers', { 'x-n': 'five' })).text).to.equal('five');
  });

  it('names everything that does not fit, of all parts at once, in a 400', async () => {
    const bare = await servers.serve([
      post(
        '/:id',
        { input: { params: z.object({ id: z.coerce.number() }), body: v.object({ list: v.array(v.object({ 'a/b~c': v.number() })) }) } },
        () => 'never',
      ),
    ]);
    const reply = await bare.ask('POST', '/x', JSON_TYPE, '{"list":[{"a/b~c":1},{"a/b~c":"2"}]}');
    expect(reply.status).to.equal(400);
    expect(reply.json()).to.include({ code: 'INVALID_ARGUMENT', reason: 'VALIDATION_FAILED', retryable: false });
    expect(pointers(reply)).to.deep.equal(['#/params/id', '#/list/1/a~1b~0c']);
    const empty = await bare.ask('POST', '/1');
    expect(pointers(empty)).to.deep.equal(['#']);
  });

  it('waits for schemas that need time', async () => {
    const late: StandardSchema<unknown, number> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: async (value) => (value === undefined ? { issues: [{ message: 'is late' }] } : { value: 7 }),
      },
    };
    const bare = await servers.serve([post('/', { input: { body: late, query: z.object({}) } }, (_, { body }) => body)]);
    expect((await bare.ask('POST', '/', JSON_TYPE, '1')).json()).to.equal(7);
    expect((await bare.ask('POST', '/')).json()).to.have.nested.property('errors[0].detail', 'is late');
  });

  it('waits for a promise of another realm, which is no instance of ours', async () => {
    const foreign: StandardSchema<unknown, number> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => runInNewContext('Promise.resolve({ issues: [{ message: "never fits" }] })') as Promise<never>,
      },
    };
    const bare = await servers.serve([post('/', { input: { body: foreign } }, () => 'reached')]);
    expect((await bare.ask('POST', '/', JSON_TYPE, '1')).status).to.equal(400);
  });

  // The promise of the first was left alone, and its rejection ended the process.
  it('survives a schema that throws while one that will fail is under way', async () => {
    const rejects: StandardSchema = { '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(new Error('later')) } };
    const throws: StandardSchema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => {
          throw new Error('at once');
        },
      },
    };
    const unhandled: unknown[] = [];
    const hear = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', hear);
    try {
      const bare = await servers.serve([post('/', { input: { body: rejects, query: throws } }, () => 'reached')]);
      expect((await bare.ask('POST', '/', JSON_TYPE, '1')).status).to.equal(500);
      await new Promise(setImmediate);
      expect(unhandled).to.deep.equal([]);
    } finally {
      process.off('unhandledRejection', hear);
    }
  });

  it('sends what the output schema made of a result; one that does not fit is a 500 that tells nothing', async () => {
    const output = z.object({ id: z.number() });
    const bare = await servers.serve([
      get('/fits', { output }, () => ({ id: 1, secret: 'x' })),
      get('/reply', { output }, () => new Reply(201, { id: 2, secret: 'x' }, { 'x-a': 'b' })),
      get('/moved', { output }, () => new Reply(302, undefined, { location: '/' })),
      get('/not', { output }, () => ({ id: 'secret' })),
    ]);
    expect((await bare.ask('GET', '/fits')).json()).to.deep.equal({ id: 1 });
    const reply = await bare.ask('GET', '/reply');
    expect([reply.status, reply.header('x-a'), reply.json()]).to.deep.equal([201, 'b', { id: 2 }]);
    expect((await bare.ask('GET', '/moved')).status).to.equal(302);
    const failed = await bare.ask('GET', '/not');
    expect([failed.status, failed.text.includes('#/id')]).to.deep.equal([500, false]);
    expect(failed.json()).to.include({ reason: 'REPLY_DOES_NOT_FIT' });
  });

  it('reads the body once for a handler that runs again', async () => {
    const bodies: unknown[] = [];
    const bare = await servers.serve([
      put('/', { input: { body: z.object({ n: z.number() }) } }, retry({ retries: 1, backoff: () => 0, budgets: [] }), (_, { body }) => {
        bodies.push(body);
        if (bodies.length === 1) throw new ServiceError('UNAVAILABLE', 'once');
        return body;
      }),
    ]);
    const reply = await bare.ask('PUT', '/', JSON_TYPE, '{"n":1}');
    expect([reply.status, bodies]).to.deep.equal([200, [{ n: 1 }, { n: 1 }]]);
  });

  const native = nativeHandler(() => undefined);
  const MISTAKES: readonly (readonly [string, () => unknown, RegExp])[] = [
    [
      'a schema that is none',
      () => get('/', { input: { query: {} as never } }, () => 1),
      /route GET \/: input\.query: an object without ~standard is no schema/,
    ],
    [
      'a part that is none',
      () => get('/', { input: { cookies: z.object({}) } as never }, () => 1),
      /input "cookies" is no part of a request\. Use params, query, headers, body/,
    ],
    ['an input that is none', () => get('/', { input: 5 as never }, () => 1), /input is 5\. Give an object of schemas/],
    ['an output that is none', () => get('/', { output: (() => 1) as never }, () => 1), /output: a function is no schema/],
    ['a native handler', () => get('/', { output: z.string() }, native), /a native handler reads and answers by itself/],
  ];
  for (const [name, make, message] of MISTAKES) it(`refuses ${name}`, () => void expect(make).to.throw(TypeError, message));
});
