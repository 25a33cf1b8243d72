import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import {
  Controller,
  Get,
  LayerError,
  RemoteError,
  ServiceError,
  Wrap,
  fromDatabase,
  fromExternalService,
  fromSystem,
  fromValidation,
  guard,
  guardAttempt,
  problemReply,
  rethrow,
  retry,
} from '@ferrule/core';
import type { Code } from '@ferrule/core';
import { traitsOf } from '@ferrule/core/adapter';
import * as valibot from 'valibot';
import { z } from 'zod';

const SECRET = 'hunter2';
const error = (members: object, message = `Key (email)=(${SECRET}) already exists`): Error => Object.assign(new Error(message), members);
const isPrivate = (known: ServiceError, call = problemReply(known)): void => {
  expect(JSON.stringify([call.body, call.headers])).to.not.include(SECRET);
};

describe('fromDatabase', () => {
  const cases: readonly (readonly [what: string, thrown: unknown, code: Code, retryable: boolean])[] = [
    ['PostgreSQL unique violation', error({ code: '23505', constraint: 'users_email', detail: SECRET }), 'ALREADY_EXISTS', false],
    ['PostgreSQL serialization failure', error({ code: '40001' }), 'ABORTED', true],
    ['PostgreSQL deadlock', error({ code: '40P01' }), 'ABORTED', true],
    ['PostgreSQL lock not available', error({ code: '55P03' }), 'ABORTED', true],
    ['PostgreSQL connection exception', error({ code: '08006' }), 'UNAVAILABLE', true],
    ['PostgreSQL too many connections', error({ code: '53300' }), 'UNAVAILABLE', true],
    ['PostgreSQL shutdown', error({ code: '57P01' }), 'UNAVAILABLE', true],
    ['PostgreSQL statement timeout', error({ code: '57014' }), 'DEADLINE_EXCEEDED', true],
    ['PostgreSQL syntax error', error({ code: '42601' }), 'INTERNAL', false],
    ['PostgreSQL not-null violation', error({ code: '23502' }), 'INTERNAL', false],
    ['MySQL duplicate entry', error({ code: 'ER_DUP_ENTRY', errno: 1062, sqlState: '23000' }), 'ALREADY_EXISTS', false],
    ['MySQL foreign key, of the same SQLSTATE', error({ code: 'ER_NO_REFERENCED_ROW_2', errno: 1452, sqlState: '23000' }), 'INTERNAL', false],
    ['MySQL deadlock', error({ code: 'ER_LOCK_DEADLOCK', errno: 1213 }), 'ABORTED', true],
    ['MySQL by number', error({ code: 'ER_SOMETHING_NEW', errno: 1205 }), 'ABORTED', true],
    ['MySQL lost connection', error({ code: 'PROTOCOL_CONNECTION_LOST' }), 'UNAVAILABLE', true],
    ['SQLite unique (better-sqlite3)', error({ code: 'SQLITE_CONSTRAINT_UNIQUE' }), 'ALREADY_EXISTS', false],
    [
      'SQLite unique (sqlite3)',
      error({ code: 'SQLITE_CONSTRAINT', errno: 19 }, 'SQLITE_CONSTRAINT: UNIQUE constraint failed: users.email'),
      'ALREADY_EXISTS',
      false,
    ],
    [
      'SQLite other constraint (sqlite3)',
      error({ code: 'SQLITE_CONSTRAINT', errno: 19 }, 'SQLITE_CONSTRAINT: NOT NULL constraint failed'),
      'INTERNAL',
      false,
    ],
    ['SQLite busy', error({ code: 'SQLITE_BUSY', errno: 5 }), 'ABORTED', true],
    ['node:sqlite primary key', error({ code: 'ERR_SQLITE_ERROR', errcode: 1555 }), 'ALREADY_EXISTS', false],
    ['MongoDB duplicate key', error({ name: 'MongoServerError', code: 11_000 }), 'ALREADY_EXISTS', false],
    ['MongoDB write conflict', error({ name: 'MongoServerError', code: 112 }), 'ABORTED', true],
    ['MongoDB not primary', error({ name: 'MongoServerError', code: 10_107 }), 'UNAVAILABLE', true],
    ['MongoDB network', error({ name: 'MongoNetworkError' }), 'UNAVAILABLE', true],
    ['MongoDB other', error({ name: 'MongoServerError', code: 26 }), 'INTERNAL', false],
    ['SQL Server unique', error({ code: 'EREQUEST', number: 2627 }), 'ALREADY_EXISTS', false],
    ['SQL Server deadlock', error({ code: 'EREQUEST', number: 1205 }), 'ABORTED', true],
    ['Prisma unique', error({ name: 'PrismaClientKnownRequestError', code: 'P2002' }), 'ALREADY_EXISTS', false],
    ['Prisma write conflict', error({ code: 'P2034' }), 'ABORTED', true],
    ['a refused connection', error({ code: 'ECONNREFUSED' }), 'UNAVAILABLE', true],
    ['a driver in drizzle', new Error('Failed query', { cause: error({ code: '23505' }) }), 'ALREADY_EXISTS', false],
    ['a driver in TypeORM', error({ driverError: error({ code: '40001' }) }), 'ABORTED', true],
    ['a driver in Sequelize', error({ name: 'SequelizeUniqueConstraintError', original: error({ code: '23505' }) }), 'ALREADY_EXISTS', false],
    ['a bug', new TypeError('x is undefined'), 'INTERNAL', false],
    ['a string', SECRET, 'INTERNAL', false],
    ['a ring of causes', ring(), 'INTERNAL', false],
  ];
  for (const [what, thrown, code, retryable] of cases) {
    it(`makes of ${what}: ${code}, and keeps its text inside`, () => {
      const known = fromDatabase(thrown);
      expect(known).to.be.instanceOf(LayerError).and.include({ code, retryable, expose: false, layer: 'database' });
      expect(known.cause).to.equal(thrown);
      isPrivate(known);
    });
  }

  it('knows a real unique violation of node:sqlite', async function () {
    const module: string = 'node:sqlite'; // unknown to the types of Node 20
    const sqlite = (await import(module).catch(() => undefined)) as { DatabaseSync: new (path: string) => { exec(sql: string): void } } | undefined;
    if (sqlite === undefined) return this.skip(); // from Node 22
    const database = new sqlite.DatabaseSync(':memory:');
    database.exec('create table users (email text unique, id integer primary key); insert into users values (1, 1)');
    for (const [sql, code] of [
      ['insert into users values (1, 2)', 'ALREADY_EXISTS'],
      ['insert into users values (2, 1)', 'ALREADY_EXISTS'],
      ['nonsense', 'INTERNAL'],
    ] as const) {
      let thrown: unknown;
      try {
        database.exec(sql);
      } catch (failure) {
        thrown = failure;
      }
      expect(fromDatabase(thrown).code, sql).to.equal(code);
    }
  });
});

function ring(): Error {
  const one = new Error('one');
  one.cause = new Error('two', { cause: one });
  return one;
}

describe('fromValidation', () => {
  const schema = z.object({ user: z.object({ 'a/b': z.number() }) });
  const value = { user: { 'a/b': SECRET } };
  const cases: readonly (readonly [what: string, thrown: unknown, pointers: readonly string[]])[] = [
    ['zod', schema.safeParse(value).error, ['#/user/a~1b']],
    [
      'valibot',
      new valibot.ValiError(valibot.safeParse(valibot.object({ user: valibot.object({ age: valibot.number() }) }), { user: { age: 'x' } }).issues!),
      ['#/user/age'],
    ],
    ['Joi', error({ details: [{ message: '"age" must be a number', path: ['user', 'age'] }] }), ['#/user/age']],
    ['Ajv', error({ errors: [{ instancePath: '/user/age', message: 'must be integer' }] }), ['#/user/age']],
    ['Mongoose', error({ name: 'ValidationError', errors: { age: { path: 'user.age', message: 'too old' } } }), ['#/user/age']],
    [
      'class-validator',
      [{ property: 'user', children: [{ property: 'age', constraints: { isInt: 'age must be an integer', min: 'too young' } }] }],
      ['#/user/age', '#/user/age'],
    ],
    ['an error of no known kind', error({}), []],
    ['a list of nonsense', error({ issues: [null, 5, {}, { message: 5 }] }), []],
  ];
  for (const [what, thrown, pointers] of cases) {
    it(`reads ${what}`, () => {
      const known = fromValidation(thrown);
      expect(known).to.include({ code: 'INVALID_ARGUMENT', reason: 'VALIDATION_FAILED', status: 400, layer: 'validation', cause: thrown });
      expect((known.errors ?? []).map(({ pointer }) => pointer)).to.deep.equal(pointers);
      isPrivate(known);
    });
  }

  it('takes the first hundred, cut, however many and deep there are', () => {
    const deep = { property: 'a', children: [] as unknown[] };
    deep.children.push(deep);
    expect(fromValidation([deep]).errors).to.equal(undefined);
    const many = Array.from({ length: 5_000 }, () => ({ message: 'x'.repeat(5_000), path: ['y'.repeat(5_000)] }));
    const { errors = [] } = fromValidation({ issues: many });
    expect([errors.length, errors[0]?.detail.length, errors[0]?.pointer.length]).to.deep.equal([100, 256, 256]);
  });
});

describe('fromExternalService', () => {
  const fromBilling = fromExternalService('billing', 'charge');
  const cases: readonly (readonly [what: string, thrown: unknown, code: Code, status: number])[] = [
    ['anything', error({}), 'UNAVAILABLE', 503],
    ['a refused connection', error({ code: 'ECONNREFUSED' }), 'UNAVAILABLE', 503],
    ['a timeout', error({ name: 'TimeoutError' }), 'DEADLINE_EXCEEDED', 504],
    ['an answer of 404', error({ response: { status: 404 } }), 'INTERNAL', 500],
    ['a bare 401', error({ status: 401 }), 'INTERNAL', 500],
    ['an answer of 429', error({ response: { status: 429 } }), 'UNAVAILABLE', 503],
    ['an answer of 500', error({ response: { status: 500 } }), 'UNAVAILABLE', 502],
  ];
  for (const [what, thrown, code, status] of cases) {
    it(`makes of ${what}: ${code}, ${status}, and names service and method for the log`, () => {
      const known = fromBilling(thrown);
      expect(known).to.include({ code, status, expose: false, layer: 'external', service: 'billing', method: 'charge', cause: thrown });
      expect(known.message).to.match(/^billing\.charge: /);
      isPrivate(known);
    });
  }

  it('refuses names that are none', () => {
    expect(() => fromExternalService('')).to.throw(TypeError, /service: ""/);
    expect(() => fromExternalService('billing', 5 as never)).to.throw(TypeError, /method: 5/);
  });
});

describe('every layer', () => {
  for (const [name, from] of Object.entries({ fromDatabase, fromValidation, fromExternalService: fromExternalService('a'), fromSystem })) {
    it(`${name} lets errors that say what they mean and cancellations pass, and throws for nothing`, () => {
      const own = new ServiceError('NOT_FOUND', 'x');
      const remote = new RemoteError('NOT_FOUND', 'x', { status: 404, service: 'orders' });
      expect([from(own), from(remote)]).to.deep.equal([own, remote]);
      expect(from(new DOMException('gone', 'AbortError')).code).to.equal('CANCELLED');
      const trap = (): never => {
        throw new Error('trap');
      };
      for (const thrown of [undefined, null, 5n, Symbol('x'), new Proxy({}, { get: trap, has: trap, getPrototypeOf: trap })]) {
        expect(from(thrown)).to.be.instanceOf(ServiceError);
      }
    });
  }

  it('gives for 2,000 thrown values of every kind an error that can be answered with, and of a 5xx nothing but the title', () => {
    const members = fc.dictionary(
      fc.constantFrom(
        'code',
        'errno',
        'errcode',
        'number',
        'name',
        'cause',
        'driverError',
        'issues',
        'errors',
        'details',
        'message',
        'status',
        'response',
      ),
      fc.oneof(fc.constantFrom('23505', 'ER_DUP_ENTRY', 11_000, 'ECONNREFUSED', 'AbortError', 404), fc.anything({ withNullPrototype: true })),
    );
    fc.assert(
      fc.property(fc.oneof(members, fc.anything()), (thrown) => {
        for (const from of [fromDatabase, fromValidation, fromExternalService('a', 'b'), fromSystem]) {
          const known = from(thrown);
          const { status, body } = problemReply(known);
          if (!(known instanceof ServiceError) || status !== known.status || (status >= 500 && body.detail !== known.title)) return false;
        }
        return true;
      }),
      { numRuns: 2_000, seed: 8 },
    );
  });

  it('fromSystem is a fault of ours, and says nothing of itself', () => {
    const known = fromSystem(error({ code: 'ENOENT', path: SECRET }));
    expect(known).to.include({ code: 'INTERNAL', status: 500, retryable: false, layer: 'system' });
    isPrivate(known);
  });
});

describe('rethrow', () => {
  it('gives what a function throws its meaning, so that a retry outside of it knows what may be tried again', async () => {
    const thrown = [error({ code: '40001' }), error({ code: '23505' })];
    let calls = 0;
    const save = guard(
      () => {
        throw thrown[calls++]!;
      },
      retry({ retries: 5, budgets: [] }),
      rethrow(fromDatabase),
    );
    const failure: unknown = await save().catch((known: unknown) => known);
    expect(failure).to.include({ code: 'ALREADY_EXISTS', cause: thrown[1] });
    expect(calls, 'the deadlock was tried again, the duplicate was not').to.equal(2);
    expect(traitsOf(rethrow(fromDatabase)).name).to.equal('rethrow');
  });

  it('passes on values, ServiceErrors, what cancelled work throws, and what the function cannot make another error of', async () => {
    const own = new ServiceError('NOT_FOUND', 'x');
    const plain = new Error('x');
    const fail = (what: Error) => () => Promise.reject(what);
    expect(await guard(() => 5, rethrow(fromDatabase))()).to.equal(5);
    expect(await guard(fail(own), rethrow(fromSystem))().catch((thrown: unknown) => thrown)).to.equal(own);
    const broken = rethrow(() => {
      throw new Error('broken');
    });
    expect(await guard(fail(plain), broken)().catch((thrown: unknown) => thrown)).to.equal(plain);
    const cancelled = guardAttempt((attempt) => {
      attempt.abort(new Error('gone'));
      throw plain;
    }, rethrow(fromSystem));
    expect(await cancelled().catch((thrown: unknown) => thrown)).to.equal(plain);
  });

  it('stands on a method by @Wrap', () => {
    @Controller('/users')
    class Users {
      @Get('/')
      @Wrap(rethrow(fromDatabase))
      all(): string[] {
        return [];
      }
    }
    expect(new Users().all()).to.deep.equal([]);
  });

  it('refuses what is no function, such as a factory that was called with the error', () => {
    expect(() => rethrow(fromDatabase(new Error('x')) as never)).to.throw(
      TypeError,
      /rethrow: .* is no function\. Give one that makes another error/,
    );
  });
});
