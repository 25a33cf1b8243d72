import { expect } from 'chai';
import {
  Bulkhead,
  Controller,
  Fallback,
  Get,
  HealthCheck,
  MapError,
  Param,
  Post,
  Reply,
  Retry,
  ServiceClient,
  Status,
  Timeout,
  Wrap,
  body,
  compose,
  context,
  controllerChecks,
  controllerRoutes,
  param,
  query,
} from '@ferrule/core';
import type { Handler, Remote, Resolve, ServiceError } from '@ferrule/core';
import { traitsOf } from '@ferrule/core/adapter';

const chain = (controller: object, resolve?: Resolve): readonly string[] =>
  controllerRoutes(controller, resolve === undefined ? {} : { resolve })[0]!.wrappers.map((wrapper) => traitsOf(wrapper).name);

/** As a compiler with experimentalDecorators applies them. */
const legacy = (decorator: unknown, ...places: readonly unknown[]): unknown => (decorator as (...args: readonly unknown[]) => unknown)(...places);

describe('controllers', () => {
  @Controller('/base')
  @Timeout('1s')
  @Bulkhead(9)
  class Base {
    @Get('/a')
    a(): string {
      return 'base a';
    }

    @Get('/b')
    @Status(202)
    b(): string {
      return 'base b';
    }
  }

  @Controller('/derived')
  class Derived extends Base {
    override a(): string {
      return 'derived a';
    }

    @Post('/c')
    override b(): string {
      return 'derived b';
    }
  }

  it('are routes of an instance as of a class that needs nothing', () => {
    const described = (controller: object): readonly string[] => controllerRoutes(controller).map(({ method, path }) => `${method} ${path}`);
    expect(described(Base)).to.deep.equal(['GET /base/a', 'GET /base/b']);
    expect(described(new Base())).to.deep.equal(['GET /base/a', 'GET /base/b']);
  });

  it('inherit routes; a verb on a derived method takes the place of the inherited one, and the base stays what it was', () => {
    expect(controllerRoutes(Derived).map(({ method, path, options }) => [method, path, options.status])).to.deep.equal([
      ['GET', '/derived/a', undefined],
      ['POST', '/derived/c', 202],
    ]);
    expect(controllerRoutes(Base).map(({ method, path }) => `${method} ${path}`)).to.deep.equal(['GET /base/a', 'GET /base/b']);
  });

  it('share a policy of the class among its routes, and among nothing else', () => {
    const [a, b] = controllerRoutes(Base);
    const [again] = controllerRoutes(Base);
    expect(a!.wrappers.map((wrapper) => traitsOf(wrapper).name)).to.deep.equal(['timeout', 'bulkhead']);
    expect(a!.wrappers[1]).to.equal(b!.wrappers[1]);
    expect(again!.wrappers[1]).not.to.equal(a!.wrappers[1]);
  });

  it('nest what is custom outside of the policies, what is of the class outside of what is of the method', () => {
    class Wrapping {
      wrap(next: Handler): Handler {
        return next;
      }
    }
    const outer = Object.defineProperty((next: Handler) => next, 'name', { value: 'outer' });

    @Controller()
    @Retry()
    @Wrap(outer)
    @MapError(RangeError, () => undefined)
    class Many {
      @Timeout('1s')
      @Wrap(Wrapping)
      @Get('/')
      @Fallback('x')
      @MapError(SyntaxError, () => undefined)
      one(): void {}
    }
    expect(chain(Many)).to.deep.equal(['mapError(RangeError)', 'mapError(SyntaxError)', 'outer', 'Wrapping', 'fallback', 'timeout', 'retry']);
  });

  it('send what a @Fallback of the class gives with the status of each route, that of a method in its place', async () => {
    @Controller()
    @Fallback('of the class')
    class Falling {
      @Get('/a')
      @Status(202)
      a(): never {
        throw new Error('down');
      }
      @Get('/b')
      b(): never {
        throw new Error('down');
      }
      @Get('/c')
      @Status(203)
      @Fallback('its own')
      c(): never {
        throw new Error('down');
      }
    }
    const replies = await Promise.all(
      controllerRoutes(Falling).map(({ wrappers, handler }) =>
        compose(...wrappers)(async (call) => (await handler(call)) as Reply)({ signal: new AbortController().signal } as never),
      ),
    );
    expect(replies.map(({ status, body: sent }) => [status, sent])).to.deep.equal([
      [202, 'of the class'],
      [200, 'of the class'],
      [203, 'its own'],
    ]);
  });

  it('say where a token stands that cannot be resolved', () => {
    @Controller()
    class Tokened {
      @Get('/')
      @Wrap(Symbol('token'))
      one(): void {}
    }
    expect(() => controllerRoutes(Tokened)).to.throw(TypeError, /^@Wrap\(Symbol\(token\)\) on Tokened\.one: /);
  });

  it('take wrappers by token and by place', () => {
    const token = Symbol('token');
    const pass = (next: Handler): Handler => next;
    const resolve = ((one) => (one === token ? pass : new (one as new () => object)())) as Resolve;

    @Controller()
    class Placed {
      @Get('/')
      @Wrap(token, { wrapper: pass, before: 'timeout' }, { wrapper: token, after: 'observe' })
      one(): void {}
    }
    const [one] = controllerRoutes(Placed, { resolve });
    expect([one!.wrappers, one!.placed!.map(({ before, after }) => before ?? after)]).to.deep.equal([[pass], ['timeout', 'observe']]);
  });

  it('make an instance for each request where they are told to', async () => {
    let made = 0;
    @Controller()
    class Fresh {
      readonly number: number = ++made;
      @Get('/')
      one(): number {
        return this.number;
      }
    }
    const [one] = controllerRoutes(Fresh, { resolve: Object.assign(() => new Fresh(), { perCall: () => true }) });
    expect(made).to.equal(0);
    expect([await one!.handler(undefined as never), await one!.handler(undefined as never)]).to.deep.equal([1, 2]);
  });

  it('map errors to replies and to other errors; what is not theirs, and what they decline, goes on', async () => {
    @Controller()
    @MapError(TypeError, () => new Reply(418))
    class Failing {
      @Get('/:kind', param('kind'))
      @MapError(RangeError, (error) => (error.message === 'mine' ? new TypeError('mapped') : undefined))
      fail(kind: string): never {
        throw kind === 'syntax' ? new SyntaxError(kind) : new RangeError(kind);
      }
    }
    const [one] = controllerRoutes(Failing);
    const handle = compose(...one!.wrappers)(async (call) => one!.handler(call) as never);
    const outcome = (kind: string): Promise<unknown> =>
      handle({ params: { kind } } as never).then(
        ({ status }) => status,
        (error: unknown) => String(error),
      );
    expect(await Promise.all(['mine', 'other', 'syntax'].map(outcome))).to.deep.equal([418, 'RangeError: other', 'SyntaxError: syntax']);
  });

  it('convert numbers, whole numbers and truth values strictly', () => {
    @Controller()
    class Converting {
      @Get('/', query('n', Number), query('big', BigInt), query('yes', Boolean), query('date', (text) => new Date(text)))
      all(n?: number, big?: bigint, yes?: boolean, date?: Date): unknown {
        return [n, big, yes, date?.getTime()];
      }
    }
    const handle = (values: Readonly<Record<string, unknown>>): unknown => controllerRoutes(Converting)[0]!.handler({ query: values } as never);
    expect(handle({ n: '1e3', big: '-12', yes: '0', date: '1970-01-01' })).to.deep.equal([1000, -12n, false, 0]);
    expect(handle({})).to.deep.equal([undefined, undefined, undefined, undefined]);
    for (const [name, values] of Object.entries({ n: ['', ' ', 'x', 'Infinity', ['1', '2']], big: ['1.5', '0x', ''], yes: ['yes', ''] })) {
      for (const value of values)
        expect(() => handle({ [name]: value }), `${name} ${String(value)}`).to.throw(/The request does not fit: #\/query\//);
    }
  });

  it('answer 400 when a conversion rejects, and give what it resolves with', async () => {
    const known = async (text: string): Promise<number> => {
      if (text !== '7') throw new Error('an internal matter');
      return 7;
    };
    @Controller()
    class Awaiting {
      @Get('/', query('n', known), query('m', known))
      all(n?: number, m?: number): unknown {
        return [n, m];
      }
    }
    const handle = async (values: Readonly<Record<string, unknown>>): Promise<unknown> =>
      controllerRoutes(Awaiting)[0]!.handler({ query: values } as never);
    expect(await handle({ n: '7' })).to.deep.equal([7, undefined]);
    const failure = await handle({ n: '8', m: '9' }).then(
      () => undefined,
      (error: unknown) => error as ServiceError,
    );
    expect(failure).to.include({ code: 'INVALID_ARGUMENT', status: 400 });
    expect(failure!.errors).to.deep.equal([
      { pointer: '#/query/n', detail: 'does not fit' },
      { pointer: '#/query/m', detail: 'does not fit' },
    ]);
  });

  it('are health checks too', async () => {
    @Controller()
    class Checked {
      @HealthCheck('database', { critical: false, timeout: '200ms' })
      async database(): Promise<boolean> {
        return true;
      }
    }
    const [check] = controllerChecks(new Checked());
    expect(check).to.include({ name: 'database', critical: false, timeout: '200ms' });
    expect(await check!.run({ signal: AbortSignal.abort() })).to.equal(true);
  });

  const mapped = MapError; // called without new, an Error by its name would be a mistake
  const nothing = (): void => {};
  const descriptor = { value: nothing };
  class Plain {
    m(): void {}
    get g(): number {
      return 1;
    }
  }

  /** Each mistake, and what the message has to say of it. */
  const MISTAKES: readonly (readonly [string, () => unknown, RegExp])[] = [
    ['a class without @Controller', () => controllerRoutes(Plain), /Plain has no @Controller.*Put @Controller\('\/path'\) on the class/],
    ['an object without a class', () => controllerRoutes({}), /Object has no @Controller.*give routes instead/],
    ['no object', () => controllerRoutes(undefined as never), /undefined is no controller/],
    ['a client as a controller', () => controllerRoutes(AClient), /AClient is a @ServiceClient, which calls another service/],
    ['a controller without routes', () => controllerRoutes(marked(class Empty {})), /Empty has no route\. Put @Get/],
    ['two handlers for one route', () => controllerRoutes(Twice), /Twice\.b, @Get\('\/x\/:name'\): Twice\.a has this route already/],
    [
      'a source that names no parameter',
      () => controllerRoutes(BadSource),
      /BadSource\.a, @Get\('\/:id'\): the path has no parameter 'name'\. It has id/,
    ],
    [
      'more parameters than the call',
      () => controllerRoutes(TooMany),
      /TooMany\.a, @Get\('\/x'\): nobody knows where parameter 1 comes from.*param\('id'\)/,
    ],
    ['a decorator without a verb', () => controllerRoutes(NoVerb), /NoVerb\.a: @Status does nothing without a verb/],
    ['a verb on a field of a controller', () => controllerRoutes(OnField), /OnField\.a: @Get stands on a field, which is for a @ServiceClient/],
    [
      'a constructor that takes something',
      () => controllerRoutes(Needy),
      /Needy has to be resolved: its constructor takes arguments.*@ferrule\/core\/di/,
    ],
    ['a verb on a class', () => legacy(Get('/'), Plain), /@Get stands on a class\. It belongs on a method or a field of a @ServiceClient class/],
    ['a verb on a getter', () => legacy(Get('/'), Plain.prototype, 'g', { get: () => 1 }), /@Get stands on the accessor g/],
    ['a verb on a static method', () => legacy(Get('/'), Plain, 'm', descriptor), /@Get stands on the static member m/],
    [
      '@Controller on a method',
      () => legacy(Controller('/'), Plain.prototype, 'm', descriptor),
      /@Controller stands on the method m\. It belongs on a class/,
    ],
    ['@Param on a method', () => legacy(Param('id'), Plain.prototype, 'm', descriptor), /@Param stands on the method m\. It belongs on a parameter/],
    ['@Param on a constructor', () => legacy(Param('id'), Plain, undefined, 0), /@Param stands on a parameter of the constructor/],
    ['a standard verb on a getter', () => legacy(Get('/'), nothing, { kind: 'getter', name: 'g', metadata: {} }), /@Get stands on the getter g/],
    [
      'a private method',
      () => legacy(Get('/'), nothing, { kind: 'method', name: '#m', private: true, metadata: {} }),
      /@Get stands on the private method #m/,
    ],
    [
      'a compiler without metadata',
      () => legacy(Get('/'), nothing, { kind: 'method', name: 'm' }),
      /the compiler gave no metadata.*import '@ferrule\/core'/,
    ],
    ['a path without a slash', () => Get('x'), /@Get\("x"\): a path starts with a slash/],
    ['a prefix without a slash', () => Controller('x'), /@Controller\("x"\): a prefix starts with a slash/],
    [
      'a wrapper where a source belongs',
      () => Get('/', param('id'), nothing as never),
      /@Get\('\/'\): the source of argument 1 is function\. Use param\(\)/,
    ],
    ['a wrapper where options belong', () => Get('/', nothing as never), /the second argument is function.*wrappers belong into @Wrap/],
    ['sources beside input', () => Get('/', { input: {} }, param('id') as never), /give either input or sources/],
    ['a status that is none', () => Status(99), /@Status\(99\): that is no final HTTP status/],
    ['a factory that was not called', () => Wrap({} as never), /@Wrap: argument 0 is object\. Give a wrapper/],
    ['no error class', () => mapped('x' as never, () => undefined), /@MapError: the first argument is string/],
    [
      'an arrow function for an error class',
      () => mapped((() => undefined) as never, () => undefined),
      /@MapError: the first argument is a function that makes no errors/,
    ],
    [
      'a mapping before its class',
      () => mapped((() => undefined) as never, RangeError as never),
      /the second is a class: they are the wrong way round/,
    ],
    ['no mapping', () => mapped(Error, undefined as never), /@MapError\(Error\): the second argument is undefined/],
    ['a check without a name', () => HealthCheck(''), /@HealthCheck\(""\): give the check a name/],
    ['a policy that makes no sense', () => Bulkhead(-1), /bulkhead/],
    ['a schema that is none', () => body({} as never), /body\(\): an object without ~standard is no schema.*zod \(from 3\.24\)/],
    ['a schema that is none, for a name', () => param('id', 5 as never), /param\('id'\): a number is no schema/],
    ['Date as a conversion', () => query('at', Date), /query\('at'\): Date makes no value of a text when it is called.*new Date\(text\)/],
    ['String as a conversion', () => param('id', String), /param\('id'\): it is text already/],
    ['an empty name', () => param(''), /param\(''\): the name is empty/],
    ['a bad option of a route', () => controllerRoutes(BadOption), /route GET \/: bodyLimit -1/],
  ];
  for (const [name, make, message] of MISTAKES) {
    it(`refuse ${name}`, () => {
      expect(make).to.throw(TypeError, message);
    });
  }

  it('refuse a parameter with two sources, and one with none', () => {
    class Doubled {
      m(_a: string, _b: string): void {}
    }
    legacy(Param('id'), Doubled.prototype, 'm', 0);
    legacy(Get('/:id'), Doubled.prototype, 'm', { value: nothing });
    legacy(Controller(), Doubled);
    expect(() => controllerRoutes(Doubled)).to.throw(TypeError, /Doubled\.m, @Get\('\/:id'\): nobody knows where parameter 1 comes from/);
    legacy(Param('id'), Doubled.prototype, 'm', 0);
    expect(() => controllerRoutes(Doubled)).to.throw(TypeError, /parameter 0 has two decorators/);
  });

  @ServiceClient('a')
  class AClient {
    @Get('/') readonly x!: Remote;
  }

  function marked<C extends new () => object>(type: C): C {
    legacy(Controller('/marked'), type);
    return type;
  }

  @Controller()
  class Twice {
    @Get('/x/:id')
    a(): void {}
    @Get('/x/:name')
    b(): void {}
  }

  @Controller()
  class BadSource {
    @Get('/:id', param('name'))
    a(_name: string): void {}
  }

  @Controller()
  class TooMany {
    @Get('/x')
    a(_one: unknown, _two: unknown): void {}
  }

  @Controller()
  class NoVerb {
    @Status(201)
    a(): void {}
  }

  @Controller()
  class OnField {
    @Get('/x') readonly a!: Remote;
  }

  @Controller()
  class Needy {
    constructor(readonly part: object) {}
    @Get('/x', context())
    a(): void {}
  }

  @Controller()
  class BadOption {
    @Get('/', { bodyLimit: -1 })
    a(): void {}
  }
});
