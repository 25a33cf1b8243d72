import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { expect } from 'chai';
import { ServiceError, compose, get, options, post, retry, route, silentLogger, timeout } from '@ferrule/core';
import type { Reply, Route, Wrapper } from '@ferrule/core';
import { RouteTable, createMountable, nativeHandler, refusal } from '@ferrule/core/adapter';

const handler = (): string => 'x';
const response = (method: string, headers: Readonly<Record<string, string>> = {}): ServerResponse =>
  new ServerResponse(Object.assign(new IncomingMessage(new Socket()), { method, headers }));
const same: Wrapper = (next) => next;
const table = (...routes: Route[]): RouteTable => new RouteTable('users', routes, compose());

describe('a route', () => {
  it('is a frozen value with method, path, options, wrappers and handler', () => {
    const one = post('/users/:id', { status: 201, name: 'createUser' }, same, handler);
    expect(one).to.deep.equal({ method: 'POST', path: '/users/:id', options: { status: 201, name: 'createUser' }, wrappers: [same], handler });
    for (const part of [one, one.options, one.wrappers]) expect(part).to.be.frozen;
  });

  it('takes wrappers without options, and any method that Node knows', () => {
    expect(get('/x', same, same, handler).wrappers).to.have.length(2);
    expect(route('propfind', '/x', handler).method).to.equal('PROPFIND');
    expect(options('/x', handler).method).to.equal('OPTIONS');
  });

  const bad: readonly (readonly [string, () => unknown, RegExp])[] = [
    ['a method that is unknown', () => route('FETCH', '/x', handler), /FETCH \/x: the method is unknown/],
    ['a path without its slash', () => get('x', handler), /starts with a slash/],
    ['a parameter without a name', () => get('/x/:', handler), /GET \/x\/:: a parameter has no name/],
    ['one without a name before another', () => get('/x/:/y', handler), /a parameter has no name/],
    ['two parameters of one name', () => get('/a/:x/b/:x', handler), /two parameters x/],
    ['two of one name in one segment, one with a pattern', () => get('/:x(^\\d{2})h:x', handler), /two parameters x/],
    ['no handler', () => route('GET', '/x', undefined as never), /not a handler/],
    ['a wrapper that is none', () => get('/x', {}, 5 as unknown as Wrapper, handler), /number stands where a wrapper was expected/],
    ['an unknown option', () => get('/x', { statsu: 200 } as object, handler), /option statsu is unknown.*status/],
    ['a status that is not final', () => get('/x', { status: 100 }, handler), /status 100/],
    ['a limit below nothing', () => get('/x', { bodyLimit: -1 }, handler), /bodyLimit -1/],
    ['a way of reading that is unknown', () => get('/x', { body: 'json' as 'parse' }, handler), /body "json" is unknown/],
    [
      'a retry around a native handler',
      () =>
        get(
          '/x',
          retry(),
          nativeHandler(() => undefined),
        ),
      /may run the handler again/,
    ],
  ];
  for (const [what, make, message] of bad) it(`refuses ${what} at construction`, () => expect(make).to.throw(TypeError, message));

  it('may have colons that are no parameters: doubled, and inside of a pattern', () => {
    for (const path of ['/x/::', '/x/::x/::x', '/:at(^(?:a|b:)$)', '/:at(^\\(:$)', '/:a-:b', '/:h(^\\d{2})h:m(^\\d{2})m', '/:a.:b', '/:id?'])
      expect(() => get(path, handler), path).to.not.throw();
  });

  it('may have a timeout around a native handler', () => {
    expect(
      get(
        '/x',
        timeout('1s'),
        nativeHandler(() => undefined),
      ).wrappers,
    ).to.have.length(1);
  });
});

describe('a route table', () => {
  it('refuses the same method and path twice, whatever the case', () => {
    expect(() => table(get('/orders/:id', handler), get('/ORDERS/:name', handler))).to.throw(TypeError, /GET \/ORDERS\/:name.*already declared/);
  });

  it('refuses a path whose pattern could run for ages', () => {
    expect(() => table(get('/:x(^(a+)+$)', handler))).to.throw(TypeError, /not safe/);
  });

  it('gives the parameters decoded and the query as text', () => {
    const match = table(get('/users/:id/files/*', handler)).match('GET', '/uSERS/A%2fb/files/x/%C5%BC?q=%41&r')!;
    expect({ ...match.params }).to.deep.equal({ id: 'A/b', '*': 'x/ż' });
    expect(match.query).to.equal('q=%41&r');
  });

  it('takes parameters as long as a request head allows', () => {
    expect(table(get('/:id', handler)).match('GET', `/${'x'.repeat(16_000)}`)?.params.id).to.have.length(16_000);
  });

  it('knows no route for a malformed path, an absolute one of another kind, or a method of nobody', () => {
    const users = table(get('/:id', handler));
    for (const [method, url] of [
      ['GET', '/%zz'],
      ['GET', '*'],
      ['GET', 'example.test:80'],
      ['GET', '/'],
      ['GET', '//'],
      ['BREW', '/x'],
      ['constructor', '/x'],
      ['__proto__', '/x'],
    ] as const) {
      expect(users.match(method, url), `${method} ${url}`).to.equal(undefined);
    }
  });

  it('takes a target in absolute form', () => {
    expect(table(get('/users/:id', handler)).match('GET', 'http://example.test/users/1?x=1')).to.deep.include({ query: 'x=1' });
  });

  it('lists the methods of a path, HEAD with GET', () => {
    const users = table(get('/users/:id', handler), route('PUT', '/users/:id', handler), post('/users', handler));
    expect(users.allowed('/users/1?x')).to.deep.equal(['GET', 'HEAD', 'PUT']);
    expect(users.allowed('/users')).to.deep.equal(['POST']);
    expect(users.allowed('/%zz')).to.deep.equal([]);
  });

  it('lets HEAD of an optional parameter go to GET', () => {
    const users = table(get('/users/:id?', handler));
    expect([users.match('HEAD', '/users'), users.match('HEAD', '/users/1')]).to.not.include(undefined);
  });
});

describe('a mountable', () => {
  const make = (routes: readonly Route[], wrappers: readonly Wrapper[] = []) =>
    createMountable({ name: 'users', routes, wrappers, health: () => false });

  it('refuses an app-wide retry when one of its routes is native', () => {
    expect(() =>
      make(
        [
          get(
            '/x',
            nativeHandler(() => undefined),
          ),
        ],
        [retry()],
      ),
    ).to.throw(TypeError, /route GET \/x: retry/);
  });

  it('answers what nobody took: 404, 405 with Allow, 400 for a malformed path', () => {
    const users = make([get('/users', handler)]);
    const left = (method: string, url: string): Reply => users.fallthrough(response(method), url);
    expect([left('GET', '/none').status, left('POST', '/users').status, left('GET', '/%zz').status]).to.deep.equal([404, 405, 400]);
    expect(left('POST', '/users').headers).to.include({ allow: 'GET, HEAD' });
    expect(left('GET', '/none').body).to.include({ code: 'NOT_FOUND', reason: 'ROUTE_NOT_FOUND', service: 'users' });
  });

  it('answers for foreign errors with the id of the request, the same for all of them', () => {
    const users = make([]);
    const res = response('GET');
    const body = (): { requestId?: string } => users.toReply(new Error('x'), res).body as { requestId?: string };
    const { requestId } = body();
    expect(requestId)
      .to.match(/^[0-9a-f-]{36}$/)
      .and.equal(res.getHeader('x-request-id'))
      .and.equal(body().requestId);
  });

  it('logs what is behind a 5xx once, with the request id; no 4xx, no refusal of its own, and no failing logger keeps a reply back', () => {
    const logged: [fields: object, message: string][] = [];
    let fails = false;
    const logger = {
      ...silentLogger,
      error(fields: object, message: string) {
        if (fails) throw new Error('disk full');
        logged.push([fields, message]);
      },
    };
    const users = createMountable({ name: 'users', routes: [], health: () => false, logger });
    const res = response('GET', { 'x-request-id': 'r-1' });
    const error = new Error('x');
    expect(users.toReply(error, res).status).to.equal(500);
    users.toReply(new ServiceError('NOT_FOUND', 'x'), res);
    users.toReply(refusal('UNAVAILABLE', 'x', { reason: 'CIRCUIT_OPEN' }), res);
    users.toReply(new ServiceError('DEADLINE_EXCEEDED', 'x', { reason: 'TIMEOUT' }), res);
    users.brokeOff(error, res);
    const fields = { error, service: 'users', operation: 'unmatched', requestId: 'r-1' };
    expect(logged).to.deep.equal([
      [fields, 'A request failed'],
      [fields, 'A request failed after its headers were sent'],
    ]);
    fails = true;
    expect(users.toReply(error, res).status).to.equal(500);
  });

  it('never throws, whatever was thrown', () => {
    const users = make([]);
    const trap = (): never => {
      throw new Error('trap');
    };
    const res = response('GET');
    for (const thrown of [
      new Proxy({}, { get: trap }),
      new Proxy(new Error('x'), { get: trap, getPrototypeOf: trap, has: trap }),
      null,
      undefined,
      Symbol('x'),
    ]) {
      expect(users.toReply(thrown, res)).to.deep.include({ status: 500 });
      expect(() => users.brokeOff(thrown, res)).to.not.throw();
    }
  });
});
