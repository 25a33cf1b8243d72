import { expect } from 'chai';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as here from '@ferrule/core';
import { CODES, ServiceError, canonical, catalogueMarkdown, defineErrors, isOneOf, lintCatalogues } from '@ferrule/core';
import type { Catalogue } from '@ferrule/core';

/** The errors of the original design, whose INSUFFICIENT_BALANCE and PAYMENT_FAILED had codes that would have been retried or hidden. */
const users = defineErrors(
  {
    USER_NOT_FOUND: {
      number: 10001,
      code: 'NOT_FOUND',
      title: 'User not found',
      detail: ({ id }: { id: number }) => `No user ${id}`,
      details: ['id'],
    },
    INVALID_PASSWORD: { number: 10002, code: 'INVALID_ARGUMENT', title: 'Invalid password' },
    USER_EXISTS: { number: 10003, code: 'ALREADY_EXISTS', title: 'User exists', detail: ({ email }: { email: string }) => `${email} has an account` },
    INSUFFICIENT_BALANCE: { number: 10004, code: 'FAILED_PRECONDITION', status: 402, title: 'Insufficient balance', detail: 'Top up first' },
  },
  { service: 'users', types: 'https://errors.example.com/' },
);
const orders = defineErrors(
  {
    ORDER_NOT_FOUND: { number: 20001, code: 'NOT_FOUND', title: 'Order not found' },
    PAYMENT_FAILED: {
      number: 20002,
      code: 'FAILED_PRECONDITION',
      status: 422,
      title: 'Payment failed',
      retryable: true,
      description: 'The bank declined.',
    },
    INVALID_ORDER_STATUS: {
      number: 20003,
      code: 'FAILED_PRECONDITION',
      title: 'Invalid order status',
      detail: ({ from, to }: { from: string; to: string }) => `An order that is ${from} cannot become ${to}`,
    },
  },
  { service: 'orders' },
);

describe('defineErrors', () => {
  it('makes errors with all that the definition says, and the stack of where it was thrown', () => {
    const cause = new Error('row 42');
    const error = users.USER_NOT_FOUND({ id: 42 }, { cause });
    expect(error).to.be.instanceOf(ServiceError).and.instanceOf(Error);
    expect(error).to.include({
      name: 'ServiceError',
      message: 'No user 42',
      code: 'NOT_FOUND',
      reason: 'USER_NOT_FOUND',
      number: 10001,
      status: 404,
      title: 'User not found',
      type: 'https://errors.example.com/user-not-found',
      expose: true,
      retryable: false,
      cause,
    });
    expect(error.stack).to.include('define-errors.test');
    expect(users.INSUFFICIENT_BALANCE()).to.include({ message: 'Top up first', status: 402 });
    expect(orders.PAYMENT_FAILED({ retryAfterMs: 5_000 })).to.include({
      message: 'Payment failed',
      retryAfterMs: 5_000,
      retryable: true,
      type: 'about:blank',
    });
  });

  for (const [factory, number, status] of [
    [users.USER_NOT_FOUND, 10001, 404],
    [users.INVALID_PASSWORD, 10002, 400],
    [users.USER_EXISTS, 10003, 409],
    [users.INSUFFICIENT_BALANCE, 10004, 402],
    [orders.ORDER_NOT_FOUND, 20001, 404],
    [orders.PAYMENT_FAILED, 20002, 422],
    [orders.INVALID_ORDER_STATUS, 20003, 400],
  ] as const) {
    it(`${number} is ${factory.entry.reason}, and never a status: ${status}`, () => expect(factory.entry).to.include({ number, status }));
  }

  it('knows its errors by their reason, those of another copy and of another service too', () => {
    const error: unknown = users.USER_NOT_FOUND({ id: 1 });
    const foreign = Object.assign(new Error('x'), { [Symbol.for('ferrule.error')]: true, code: 'NOT_FOUND', status: 404, reason: 'USER_NOT_FOUND' });
    for (const one of [error, foreign]) {
      expect(users.USER_NOT_FOUND.is(one)).to.equal(true);
      expect(one).to.be.instanceOf(users.USER_NOT_FOUND);
      expect(one instanceof users.USER_EXISTS).to.equal(false);
      expect(isOneOf(one, users.USER_EXISTS, users.USER_NOT_FOUND)).to.equal(true);
      expect(isOneOf(one, users.USER_EXISTS, orders.ORDER_NOT_FOUND)).to.equal(false);
    }
    const hostile = new Proxy(new ServiceError('NOT_FOUND', 'x'), {
      get(target, name) {
        if (name === 'reason') throw new Error('trap');
        return Reflect.get(target, name) as unknown;
      },
    });
    for (const none of [undefined, null, 'USER_NOT_FOUND', { reason: 'USER_NOT_FOUND' }, new Error('x'), hostile]) {
      expect(users.USER_NOT_FOUND.is(none)).to.equal(false);
      expect(none instanceof users.USER_NOT_FOUND).to.equal(false);
    }
  });

  it('infers params, and lets nothing else be given', () => {
    const reason: 'USER_NOT_FOUND' = users.USER_NOT_FOUND({ id: 1 }).reason;
    const code: 'NOT_FOUND' = users.USER_NOT_FOUND({ id: 1 }).code;
    expect([reason, code]).to.deep.equal(['USER_NOT_FOUND', 'NOT_FOUND']);
    const neverRun = (): void => {
      // @ts-expect-error id is a number
      users.USER_NOT_FOUND({ id: 'x' });
      // @ts-expect-error params are needed
      users.USER_NOT_FOUND();
      // @ts-expect-error it takes no params
      orders.ORDER_NOT_FOUND({ id: 1 });
      // @ts-expect-error there is no such error
      expect(orders.NOPE).to.equal(undefined);
      // @ts-expect-error the whitelist names no param
      defineErrors({ A: { code: 'NOT_FOUND', title: 'A', detail: ({ id }: { id: number }) => `${id}`, details: ['idd'] } });
      // @ts-expect-error no canonical code
      defineErrors({ A: { code: 'GONE', title: 'A' } });
    };
    expect(neverRun).to.be.a('function');
  });

  it('lets params be left out that all have a default, refuses misspelt members, and is assignable to any catalogue', () => {
    const errors = defineErrors({ A: { code: 'NOT_FOUND', title: 'A', detail: ({ id = 1 }: { id?: number } = {}) => `No ${id}`, details: ['id'] } });
    expect(errors.A().message).to.equal('No 1');
    expect(errors.A({ id: 2 }).details).to.deep.equal({ id: 2 });
    const reasonsOf = (catalogue: Catalogue): string[] => [...catalogue].map(({ reason }) => reason);
    expect(reasonsOf(errors)).to.deep.equal(['A']);
    // @ts-expect-error a whitelist of params without params
    expect(() => defineErrors({ A: { code: 'NOT_FOUND', title: 'A', details: ['id'] } })).to.throw(
      TypeError,
      /A details: .*there are none: detail is no function/,
    );
    // @ts-expect-error a member that there is not
    expect(() => defineErrors({ A: { code: 'NOT_FOUND', title: 'A', nmber: 1 } })).to.throw(TypeError, /no member "nmber". Did you mean number/);
  });

  it('documents a title as a sentence, whatever it begins and ends with', () => {
    const page = catalogueMarkdown(
      defineErrors({
        A: { code: 'NOT_FOUND', title: '- a list?' },
        B: { code: 'NOT_FOUND', title: '1. one.' },
        C: { code: 'NOT_FOUND', title: '用户不存在。' },
        D: { code: 'NOT_FOUND', title: '12 of them' },
      }),
    );
    for (const line of [String.raw`\- a list?`, String.raw`1\. one.`, '用户不存在。', '12 of them.']) expect(page.split('\n')).to.include(line);
  });

  it('keeps params for translations, bounded, and shows a client those of the whitelist alone', () => {
    const errors = defineErrors({
      A: {
        code: 'NOT_FOUND',
        title: 'A',
        detail: (params: Readonly<Record<string, unknown>>) => `${Object.keys(params).length}`,
        details: ['id', 'when'],
      },
    });
    const when = new Date(0);
    const error = errors.A({
      id: 5n,
      when,
      token: 'secret',
      nested: { a: 1 },
      nan: NaN,
      long: 'x'.repeat(1_000),
      constructor: 'x',
      ['__proto__']: 'x',
      'a b': 'x',
      fn: () => 1,
    });
    expect(error.params).to.deep.equal({ id: '5', when: when.toISOString(), token: 'secret', long: `${'x'.repeat(255)}…` });
    expect(error.details).to.deep.equal({ id: '5', when: when.toISOString() });
    expect(Object.isFrozen(error.params)).to.equal(true);
    expect(Object.keys(errors.A(Object.fromEntries(Array.from({ length: 99 }, (_, index) => [`p${index}`, index]))).params ?? {})).to.have.length(16);
    expect(users.USER_EXISTS({ email: 'a@b' }).details).to.equal(undefined);
    const plain = new ServiceError('NOT_FOUND', 'x', { params: { id: 1 } });
    expect([plain.params, plain.details, new ServiceError('NOT_FOUND', 'x').params]).to.deep.equal([{ id: 1 }, undefined, undefined]);
  });

  it('says the title when a detail throws or gives no text: an error must not hide what it is thrown for', () => {
    const errors = defineErrors({ A: { code: 'NOT_FOUND', title: 'Title', detail: ({ a }: { a: { b: string } }) => a.b } });
    for (const params of [undefined, {}, { a: { b: 5 } }]) expect(errors.A(params as never).message).to.equal('Title');
    const hostile = new Proxy({}, { get: () => expect.fail('trap'), ownKeys: () => expect.fail('trap') });
    expect(errors.A(hostile as never)).to.include({ message: 'Title', params: undefined });
  });

  it('lists its entries in order, with defaults filled in and the detail as a template', () => {
    expect([...users].map(({ reason, detail }) => [reason, detail])).to.deep.equal([
      ['USER_NOT_FOUND', 'No user {id}'],
      ['INVALID_PASSWORD', undefined],
      ['USER_EXISTS', '{email} has an account'],
      ['INSUFFICIENT_BALANCE', 'Top up first'],
    ]);
    expect(Object.keys(users)).to.deep.equal([...users].map(({ reason }) => reason));
    const odd = defineErrors({
      A: { code: 'NOT_FOUND', title: 'A', detail: ({ n }: { n: number }) => `${n * 2}` },
      B: { code: 'NOT_FOUND', title: 'B', detail: ({ n }: { n: number }) => n.toFixed(2) },
    });
    expect([...odd].map(({ detail }) => detail)).to.deep.equal([undefined, undefined]);
  });

  describe('refuses what is wrong, all of it at once', () => {
    const messageOf = (act: () => unknown): string => {
      try {
        act();
      } catch (error) {
        expect(error).to.be.instanceOf(TypeError);
        return (error as Error).message;
      }
      throw new Error('it was taken');
    };

    it('in one message, with the value and what would be right', () => {
      const message = messageOf(() =>
        defineErrors({
          A: { number: 1, code: 'NOT_FOUND', title: 'A' },
          B: { number: 1, code: 'GONE', title: ' ', status: 10001, retryabel: true },
          user_not_found: { code: 'NOT_FOUND', title: 'x' },
          constructor: { code: 'NOT_FOUND', title: 'x' },
          ['__proto__']: { code: 'NOT_FOUND', title: 'x' },
          TIMEOUT: { code: 'NOT_FOUND', title: 'x' },
          C: 5,
        } as never),
      );
      for (const part of [
        'there are 10 problems',
        'B number: 1 is that of A too',
        'B code: "GONE" is no canonical code. Give one of CANCELLED',
        'B title: " " is no title',
        'B status: 10001 is no error status. Give 400 to 599',
        'belongs into number',
        'B: there is no member "retryabel". Did you mean retryable?',
        '"user_not_found": is no reason. Give capitals',
        '"constructor": every object has',
        '"__proto__": every object has',
        'TIMEOUT: Ferrule gives this reason itself',
        '"C": 5 is no definition',
      ]) {
        expect(message).to.include(part);
      }
    });

    for (const [what, definition, expected] of [
      ['a number of 0', { number: 0 }, /A number: 0 is no business number/],
      ['a number that is none', { number: '1' }, /A number: "1"/],
      ['a missing title', { title: undefined }, /A title: undefined is no title/],
      ['a title that is too long', { title: 'x'.repeat(129) }, /longer than 128/],
      ['a detail that is none', { detail: 5 }, /A detail: 5 is neither/],
      ['a description that is none', { description: 5 }, /A description: 5/],
      ['a type with a line break', { type: 'https://a\r\nb' }, /A type: .*URI reference/],
      ['a type with quotes', { type: 'https://a/"b' }, /A type/],
      ['a status below 400', { status: 302 }, /A status: 302/],
      ['expose as text', { expose: 'no' }, /A expose: "no" is neither true nor false/],
      ['details that name no param', { details: ['a b'] }, /A details/],
      ['a canonical code of every object', { code: 'constructor' }, /A code: "constructor"/],
    ] as const) {
      it(what, () => expect(() => defineErrors({ A: { code: 'NOT_FOUND', title: 'A', ...definition } } as never)).to.throw(TypeError, expected));
    }

    it('a literal __proto__, which is no key but a prototype', () => {
      expect(() => defineErrors({ __proto__: { A: { code: 'NOT_FOUND', title: 'A' } } } as never)).to.throw(TypeError, /prototype of their own/);
      expect(() => defineErrors(null as never)).to.throw(TypeError, /null is no catalogue/);
    });

    it('options that make no sense', () => {
      expect(() => defineErrors({}, { types: 'errors' })).to.throw(TypeError, /types: "errors" is no absolute URI/);
      expect(() => defineErrors({}, { service: '' })).to.throw(TypeError, /service: ""/);
      expect(() => defineErrors({}, { typess: 'x' } as never)).to.throw(TypeError, /Did you mean types/);
    });
  });

  it('pollutes nothing', () => {
    expect(Object.keys({})).to.deep.equal([]);
    expect(({} as { code?: unknown }).code).to.equal(undefined);
  });
});

describe('a second copy of the package', () => {
  it('is another one, and each knows the errors and catalogues of the other', async () => {
    const dist = dirname(fileURLToPath(import.meta.resolve('@ferrule/core')));
    const cache = join(dist, '../../../.cache'); // within the repository, so that it finds what it depends on
    mkdirSync(cache, { recursive: true });
    const copy = mkdtempSync(join(cache, 'copy-'));
    try {
      cpSync(dist, copy, { recursive: true, filter: (path) => !path.endsWith('.map') });
      const there = (await import(pathToFileURL(join(copy, 'index.js')).href)) as typeof here;
      expect(there.ServiceError).to.not.equal(ServiceError);

      const definitions = { USER_NOT_FOUND: { number: 10001, code: 'NOT_FOUND', title: 'User not found' } } as const;
      const theirs = there.defineErrors(definitions);
      const error: unknown = theirs.USER_NOT_FOUND();
      expect(error).to.be.instanceOf(ServiceError).and.instanceOf(users.USER_NOT_FOUND);
      expect(ServiceError.from(error)).to.equal(error);
      expect(there.ServiceError.from(users.USER_NOT_FOUND({ id: 1 }))).to.include({ reason: 'USER_NOT_FOUND' });
      expect(theirs.USER_NOT_FOUND.is(users.USER_NOT_FOUND({ id: 1 }))).to.equal(true);
      expect(here.fromDatabase(error)).to.equal(error);
      expect(() => lintCatalogues(users, theirs)).to.throw(TypeError, /USER_NOT_FOUND: users USER_NOT_FOUND has this reason too/);
    } finally {
      rmSync(copy, { recursive: true });
    }
  });
});

describe('lintCatalogues', () => {
  it('takes several that have nothing in common, and one twice', () => lintCatalogues(users, orders, users));

  it('names every reason and number that two of them have, with their services', () => {
    const other = defineErrors({ USER_NOT_FOUND: { number: 20001, code: 'NOT_FOUND', title: 'x' } }, { service: 'crm' });
    expect(() => lintCatalogues(users, orders, other)).to.throw(
      TypeError,
      /2 problems[^]*crm USER_NOT_FOUND: users USER_NOT_FOUND has this reason too[^]*crm USER_NOT_FOUND number: 20001 is that of orders ORDER_NOT_FOUND too/,
    );
    expect(() => lintCatalogues([] as never)).to.throw(TypeError, /\[\] is no catalogue\. Give what defineErrors\(\) gave/);
  });
});

describe('catalogueMarkdown', () => {
  it('documents every error, by number', () => {
    const page = catalogueMarkdown(users);
    expect(page).to.match(/^# Errors of users\n/);
    expect(page).to.include('| 10001 | [`USER_NOT_FOUND`](#user_not_found) | `NOT_FOUND` | 404 | no | User not found |');
    expect(page).to.include('A client sees “No user {id}”, and as `details`: `id`.'.replaceAll(/[{}]/g, String.raw`\$&`));
    expect(page.indexOf('## USER_NOT_FOUND')).to.be.below(page.indexOf('## INSUFFICIENT_BALANCE'));
    expect(catalogueMarkdown(orders, { title: 'All' }))
      .to.match(/^# All\n/)
      .and.include('The bank declined.')
      .and.include('Trying again later may help.');
  });

  it('escapes whatever stands in a definition', () => {
    const evil = '</td><script>alert(1)</script> | x \n# y [a](javascript:b) `c` ![d](e) \u2028 &lt;';
    const page = catalogueMarkdown(defineErrors({ A: { code: 'NOT_FOUND', title: evil, detail: evil, description: evil } }, { service: evil }));
    expect(page).to.not.match(/<|[^\\]\[a\]|\n# y|[^\\]`c/);
    const row = page.split('\n').find((line) => line.startsWith('|  |'));
    expect(row?.split(/(?<!\\)\|/)).to.have.length(8);
  });

  it('refuses what is no catalogue', () =>
    expect(() => catalogueMarkdown({} as never)).to.throw(TypeError, /catalogueMarkdown: \{\} is no catalogue/));
});

describe('canonical', () => {
  it('has one function for each code, named after it', () => {
    const made = Object.entries(canonical).map(([name, make]: [string, (message: string) => ServiceError]) => [name, make('m').code]);
    expect(made).to.deep.equal(CODES.map((code) => [code.toLowerCase().replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()), code]));
    expect(canonical.notFound('No user 42', { reason: 'USER_NOT_FOUND', number: 10001 })).to.include({
      message: 'No user 42',
      status: 404,
      number: 10001,
    });
  });
});
