import { expect } from 'chai';
import { Container, inject, injectable, optional } from 'inversify';
import { Inject, Tokens, coreModule, createService, load } from '@ferrule/core/di';
import type { CoreOptions } from '@ferrule/core/di';
import { Controller, Get, Reply, Wrap, memoryRegistry, silentLogger, staticRegistry } from '@ferrule/core';
import type { Call, Check, ErrorMapper, Handler, HttpAdapter, Registry, Service } from '@ferrule/core';
import type { Balancer, Module, Transport } from '@ferrule/core/adapter';
import { expressModule } from '@ferrule/express';
import { koaModule } from '@ferrule/koa';
import { rawRequest, requestBytes } from '@ferrule/testing';

type Legacy = typeof import('../decorators-legacy/injected.js');
const legacy = (await import(new URL('../../decorators-legacy/dist/decorators-legacy/injected.js', import.meta.url).href)) as Legacy;

const LOCAL = { listen: { host: '127.0.0.1' }, signals: false, drainDelay: 0, logger: silentLogger } as const;

const noAdapter: Module = {
  name: 'none',
  load: ({ bind }) =>
    bind(Tokens.Adapter, (): HttpAdapter => ({
      name: 'none',
      mount() {},
      attach() {},
      startDraining() {},
      listen: async () => ({ host: '127.0.0.1', port: 1 }),
      close: async () => {},
    })),
};

describe('@ferrule/core/di', () => {
  // It was made with the base's one part, and the second was undefined without a word.
  it('does not take what @Inject says of a base class for the constructor of its own that a class has', async () => {
    class First {}
    class Second {}
    @Inject(First)
    class Base {
      constructor(readonly first: First) {}
    }
    @Controller('/derived')
    class Derived extends Base {
      constructor(
        first: First,
        readonly second: Second,
      ) {
        super(first);
      }
    }
    const container = new Container();
    load(container, coreModule({ name: 'derived', ...LOCAL, controllers: [Derived] }), noAdapter);
    container.bind(First).toSelf();
    container.bind(Second).toSelf();
    expect(() => createService(container)).to.throw(TypeError, /Derived/);
  });

  const containerOf = (options: CoreOptions = {}, parent?: Container): Container =>
    load(new Container(parent === undefined ? {} : { parent }), coreModule({ name: 'test', ...LOCAL, ...options }), noAdapter);

  @Controller('/x')
  class Plain {
    @Get('/')
    x(): string {
      return 'x';
    }
  }

  const named = (name: string): ((next: Handler) => Handler) => Object.defineProperty((next: Handler) => next, 'name', { value: name });

  it('makes a service of the parts that are bound, and binds it', () => {
    const registry = memoryRegistry();
    const container = containerOf({ version: '1.2.3', registry, controllers: [Plain] });
    const service = createService(container);
    expect(container.get<Service>(Tokens.Service)).to.equal(service);
    expect(service.describe()).to.include({ name: 'test', version: '1.2.3', adapter: 'none' });
    expect(service.describe().registry?.kind).to.equal('memory');
    expect(service.describe().routes.map(({ path }) => path)).to.deep.equal(['/x']);
  });

  it('has each part bound anew replace the one before', () => {
    class OtherRegistry implements Registry {
      readonly name = 'other';
      readonly register = this.#unused;
      readonly watch = this.#unused;
      readonly services = this.#unused;
      #unused(): never {
        throw new Error('unused');
      }
      async [Symbol.asyncDispose](): Promise<void> {}
    }
    const container = containerOf({ registry: memoryRegistry() });
    container.rebind(Tokens.Registry).to(OtherRegistry);
    expect(createService(container).describe().registry?.kind).to.equal('other');
  });

  it('makes classes among the parts, with parts of their own: wrappers, mappers, checks, providers', async () => {
    class Name {
      readonly name: string = 'made';
    }
    @Inject(Name)
    class Wrapping {
      readonly name: string;
      constructor({ name }: Name) {
        this.name = name;
      }
      wrap(next: Handler): Handler {
        return async (call) => (await next(call)).with({ headers: { 'x-made': this.name } });
      }
    }
    class Mapping implements ErrorMapper {
      toReply(error: unknown, _call: Call): Reply | undefined {
        return error instanceof RangeError ? new Reply(418) : undefined;
      }
    }
    class Checking implements Check {
      readonly name = 'checking';
      run(): boolean {
        return false;
      }
    }
    @Controller('/y')
    class Failing {
      @Get('/')
      y(): never {
        throw new RangeError('mine');
      }
    }
    const container = load(
      new Container(),
      coreModule({
        name: 'made',
        ...LOCAL,
        providers: [Name],
        wrappers: [Wrapping],
        errors: [Mapping],
        checks: [Checking],
        controllers: [Plain, Failing],
      }),
      expressModule(),
    );
    await using service = createService(container);
    const address = await service.start();
    const x = await rawRequest(address, requestBytes('GET', '/x'));
    expect([x.status, x.header('x-made')]).to.deep.equal([200, 'made']);
    expect((await rawRequest(address, requestBytes('GET', '/y'))).status).to.equal(418);
    expect(service.monitor.checks).to.deep.equal(['checking']);
    expect((await rawRequest(address, requestBytes('GET', '/health/ready'))).status).to.equal(503);
  });

  it('takes wrappers by token and by place, each that is bound', () => {
    const container = containerOf({ wrappers: [named('first'), { wrapper: named('early'), before: 'timeout' }] });
    container.bind(Tokens.Wrapper).toConstantValue(named('second'));
    expect(createService(container).describe().stack).to.deep.equal(['context', 'observe', 'errors', 'early', 'timeout', 'first', 'second']);
  });

  it('gives the clients of the service the parts that are bound for them', async () => {
    const picked: string[] = [];
    const balancer: Balancer = {
      name: 'mine',
      pick(view) {
        picked.push(view.endpoints[0]!.id);
        return view.endpoints[0];
      },
    };
    const transport: Transport = {
      name: 'mine',
      handle: async (call) => {
        call.answered(200);
        call.end({ kind: 'done', bytes: 0 });
        return new Reply(200, call.headers['x-tenant']);
      },
      forget() {},
      [Symbol.asyncDispose]: async () => {},
    };
    const registry = staticRegistry({ orders: ['http://127.0.0.1:9'] });
    const container = containerOf({ registry, clients: { headers: { 'x-tenant': 'a' } } });
    container.bind(Tokens.Balancer).toConstantValue(balancer);
    container.bind(Tokens.Transport).toConstantValue(transport);
    container.bind(Tokens.ClientWrapper).toConstantValue(named('around'));
    container.bind(Tokens.AttemptWrapper).toConstantValue(named('each'));
    await using service = createService(container);
    const orders = service.client('orders');
    expect(orders.describe()).to.include.members(['around', 'each', 'mine']);
    expect(await orders.get('/')).to.equal('a');
    expect(picked).to.have.length(1);
  });

  it('has options before what is bound', () => {
    expect(createService(containerOf({ version: '1' }), { version: '2', name: 'other' }).describe()).to.include({ version: '2', name: 'other' });
  });

  it('runs several services in one process, each in a container below a common one, whose wrappers stand outside', async () => {
    const parent = load(new Container(), coreModule({ ...LOCAL, registry: memoryRegistry(), wrappers: [named('common')] }));
    const services = [expressModule(), koaModule()].map((framework, index) =>
      createService(
        load(new Container({ parent }), coreModule({ name: `s${index}`, wrappers: [named(`own${index}`)], controllers: [Plain] }), framework),
      ),
    );
    const addresses = await Promise.all(services.map((service) => service.start()));
    for (const address of addresses) expect((await rawRequest(address, requestBytes('GET', '/x'))).text).to.equal('x');
    expect(services.map((service) => service.describe().stack.slice(-2))).to.deep.equal([
      ['common', 'own0'],
      ['common', 'own1'],
    ]);
    expect(await parent.get<Registry>(Tokens.Registry).services()).to.deep.equal(['s0', 's1']);
    for (const service of services) await service.stop();
  });

  it('makes controllers once, or for each request where their scope says so', async () => {
    let made = 0;
    @Controller('/count')
    class Counting {
      readonly number: number = ++made;
      @Get('/')
      count(): number {
        return this.number;
      }
    }
    const handlerOf = (controllers: CoreOptions['controllers'] & object): ((call: Call) => unknown) => {
      const service = createService(containerOf({ controllers }));
      return service.mountable.routes.routes[0]!.handler;
    };
    const once = handlerOf([Counting]);
    expect([await once(undefined as never), await once(undefined as never)]).to.deep.equal([1, 1]);
    const each = handlerOf([{ controller: Counting, scope: 'request' }]);
    expect([await each(undefined as never), await each(undefined as never)]).to.deep.equal([2, 3]);
    const transient = handlerOf([{ controller: Counting, scope: 'transient' }]);
    expect([await transient(undefined as never), await transient(undefined as never)]).to.deep.equal([4, 5]);
  });

  it('takes from the compiler what a constructor wants, parameters with @Inject aside, and client classes that nobody bound', async () => {
    const container = load(
      new Container(),
      coreModule({ name: 'legacy', ...LOCAL, controllers: [legacy.Injected, legacy.Derived], providers: [legacy.Store] }),
      koaModule(),
    );
    await using service = createService(container);
    const address = await service.start();
    const reply = await rawRequest(address, requestBytes('GET', '/injected/a/5?q=1&r=2', { 'x-name': 'me' }));
    expect(reply.json()).to.deep.equal({ id: 'a', n: 5, q: '1', every: ['q', 'r'], name: 'me', operation: 'GET /injected/:id/:n', store: 'store' });
    expect((await rawRequest(address, requestBytes('GET', '/derived/a/x'))).status).to.equal(400);
    const made = container.get(legacy.Derived);
    expect([made.store, made.logger]).to.deep.equal([container.get(legacy.Store), silentLogger]);
    expect(made.elsewhere).to.be.instanceOf(legacy.Elsewhere);
    const post = requestBytes('POST', '/injected', { 'content-type': 'application/json' }, '{"item":5}');
    expect((await rawRequest(address, post)).json()).to.have.nested.property('errors[0].pointer', '#/item');
  });

  it('replaces what controllers get as well', () => {
    const container = containerOf({ controllers: [legacy.Injected], providers: [legacy.Store] });
    container.rebind(legacy.Store).to(legacy.BetterStore);
    createService(container);
    expect(container.get(legacy.Injected).store.name).to.equal('better');
  });

  /** As tsc compiles a class whose parameter's class is not evaluated yet. */
  function circular(): new (part: never) => object {
    @Controller('/circular')
    class Circular {
      constructor(readonly part: unknown) {}
      @Get('/')
      x(): void {}
    }
    Reflect.defineMetadata('design:paramtypes', [undefined], Circular);
    return Circular;
  }

  class Part {}
  @Controller('/untold')
  class Untold {
    constructor(readonly part: Part) {}
    @Get('/')
    x(): void {}
  }
  @Controller('/told')
  @Inject(Part)
  class Told {
    constructor(readonly part: Part) {}
    @Get('/')
    x(): void {}
  }
  @Inject(Tokens.Directory)
  class WithToken {
    constructor(readonly part: unknown) {}
    wrap(next: Handler): Handler {
      return next;
    }
  }
  @Controller('/wrapped')
  class Wrapped {
    @Get('/')
    @Wrap(WithToken)
    x(): void {}
  }
  @injectable()
  class Undecorated {}

  /** As tsc compiles a class with emitDecoratorMetadata. */
  const typed = <T extends object>(type: T, ...types: readonly unknown[]): T => {
    Reflect.defineMetadata('design:paramtypes', types, type);
    return type;
  };
  /** A controller whose constructor has one parameter. */
  const taking = (type: unknown): new (part: never) => object => {
    @Controller('/taking')
    class Taking {
      constructor(readonly part: unknown) {}
      @Get('/')
      x(): void {}
    }
    return typed(Taking, type);
  };
  @Inject(Part)
  class CheckingPart implements Check {
    readonly name = 'part';
    constructor(readonly part: Part) {}
    run(): boolean {
      return true;
    }
  }
  const unbound = Symbol.for('tok');
  @Controller('/method')
  class TokenOnMethod {
    @Get('/')
    @Wrap(unbound)
    x(): void {}
  }
  @Controller('/class')
  @Wrap(unbound)
  class TokenOnClass {
    @Get('/')
    x(): void {}
  }
  /** A class of a common container, which needs a client. */
  const calling = (): new (part: never) => object => {
    class Calling {
      constructor(readonly elsewhere: unknown) {}
    }
    return typed(Calling, legacy.Elsewhere);
  };

  const MISTAKES: readonly (readonly [string, () => unknown, RegExp])[] = [
    [
      "a class that is imported with 'import type'",
      () => createService(containerOf({ controllers: [legacy.TypeOnly] })),
      /TypeOnly: parameter 0 of its constructor was compiled to (?:Function|Object)\..*'import type'.*@Inject\(token\)/,
    ],
    [
      'an interface in a constructor',
      () => createService(containerOf({ controllers: [legacy.Interfaced], providers: [legacy.Store] })),
      /Interfaced: parameter 1 of its constructor was compiled to Object\./,
    ],
    [
      'an interface before parameters that are known',
      () => createService(containerOf({ controllers: [legacy.InterfacedFirst], providers: [legacy.Store] })),
      /InterfacedFirst: parameter 0 of its constructor was compiled to Object\./,
    ],
    [
      'a part of a part that is not bound',
      () => createService(containerOf({ controllers: [legacy.Deep], providers: [legacy.Injected], remotes: [legacy.Elsewhere] })),
      /Injected needs Store \(parameter 0/,
    ],
    [
      'what a circular import leaves of a class',
      () => createService(containerOf({ controllers: [circular()] })),
      /Circular: parameter 0 of its constructor was compiled to undefined\. Two files import each other/,
    ],
    [
      'a class of which no compiler says what it wants',
      () => createService(containerOf({ controllers: [Untold] })),
      /Untold: nothing says what its 1 constructor parameter is\. tsx, esbuild and standard decorators.*emitDecoratorMetadata/,
    ],
    [
      'a class that is not bound',
      () => createService(containerOf({ controllers: [Told] })),
      /Told needs Part \(parameter 0 of its constructor\), and the container has no binding for it\. Add container\.bind\(Part\)\.toSelf\(\)/,
    ],
    [
      'a class that is not bound, as the compiler tells',
      () => createService(containerOf({ controllers: [legacy.Injected] })),
      /Injected needs Store \(parameter 0/,
    ],
    [
      'a token that is not bound',
      () => createService(containerOf({ controllers: [Wrapped] })),
      /WithToken needs Symbol\(ferrule\.Directory\) \(parameter 0.*toConstantValue/,
    ],
    [
      'a parameter without a source',
      () => createService(containerOf({ controllers: [legacy.Hole] })),
      /Hole\.one, @Get\('\/holes\/:id'\): nobody knows where parameter 1 comes from/,
    ],
    [
      'an unknown parameter',
      () => createService(containerOf({ controllers: [legacy.Unknown] })),
      /Unknown\.one, @Get\('\/both\/:id'\): the path has no parameter 'name'/,
    ],
    [
      'two controllers for one route',
      () => createService(containerOf({ controllers: [Plain, class Other extends Plain {}] })),
      /Other\.x, @Get\('\/x'\): Plain\.x has this route already/,
    ],
    [
      'a service without a name',
      () => createService(load(new Container(), coreModule(LOCAL), noAdapter)),
      /name is missing\. Load coreModule\(\{ name: 'orders'/,
    ],
    [
      'a service without an adapter',
      () => createService(load(new Container(), coreModule({ name: 'a' }))),
      /no adapter is bound\. Load expressModule\(\)/,
    ],
    [
      'a token of @Wrap that is not bound, on a method',
      () => createService(containerOf({ controllers: [TokenOnMethod] })),
      /^@Wrap\(Symbol\(tok\)\) on TokenOnMethod\.x: the container has no binding/,
    ],
    [
      'a token of @Wrap that is not bound, on a class',
      () => createService(containerOf({ controllers: [TokenOnClass] })),
      /^@Wrap\(Symbol\(tok\)\) on TokenOnClass: the container has no binding/,
    ],
    [
      'a token among the wrappers that is not bound',
      () => createService(containerOf({ wrappers: [unbound] })),
      /^wrappers of coreModule: the container has no binding for Symbol\(tok\)/,
    ],
    [
      'a check that needs what is not bound',
      () => createService(containerOf({ checks: [CheckingPart] })),
      /^CheckingPart needs Part \(parameter 0 of its constructor\), and the container has no binding/,
    ],
    [
      'a wrapper that needs what is not bound',
      () => createService(containerOf({ wrappers: [WithToken] })),
      /^WithToken needs Symbol\(ferrule\.Directory\) \(parameter 0/,
    ],
    // It started, and answered each request with 500.
    [
      'a controller made for each request that needs what is not bound',
      () => createService(containerOf({ controllers: [{ controller: Told, scope: 'transient' }] })),
      /^Told needs Part \(parameter 0/,
    ],
    [
      'a controller made for each request a part of whose part is not bound',
      () => createService(containerOf({ controllers: [{ controller: legacy.Deep, scope: 'request' }], providers: [legacy.Injected] })),
      /^Injected needs Store \(parameter 0/,
    ],
    [
      'a client class that a class of the common container needs',
      () => {
        const Calling = calling();
        const parent = load(new Container(), coreModule({ providers: [Calling] }));
        return createService(containerOf({ controllers: [taking(Calling)] }, parent));
      },
      /^Calling needs Elsewhere .*It is a @ServiceClient: add it to `remotes` of coreModule/,
    ],
    ...(
      [
        [Number, 'a number'],
        [String, 'a string'],
        [Boolean, 'a boolean'],
        [Array, 'an array'],
        [Promise, 'a promise'],
      ] as const
    ).map(
      ([type, what]) =>
        [
          `${what} in a constructor`,
          () => createService(containerOf({ controllers: [taking(type)] })),
          new RegExp(`^Taking: parameter 0 of its constructor is ${what}, .*: say what is meant with @Inject\\(token\\)`),
        ] as const,
    ),
    ['options in place of a container', () => createService({ name: 'a' } as never), /takes a container first/],
    ['a remote that is none', () => coreModule({ remotes: [Undecorated] }), /Undecorated has no @ServiceClient/],
    ['a token that is not there yet', () => Inject(undefined as never), /@Inject: token 0 is undefined\. Two files that import each other/],
    [
      'two tokens for one parameter',
      () => (Inject(Part, Part) as (...args: unknown[]) => void)(Untold, undefined, 0),
      /a parameter takes one token, and was given 2/,
    ],
  ];
  for (const [name, make, message] of MISTAKES) it(`refuses ${name}`, () => void expect(make).to.throw(TypeError, message));

  it('binds the client classes that classes need through others, and those of checks, wrappers and providers', () => {
    class Calling {
      readonly name = 'calling';
      constructor(readonly elsewhere: unknown) {}
      run(): boolean {
        return true;
      }
      wrap(next: Handler): Handler {
        return next;
      }
    }
    const callingClass = (): typeof Calling => typed(class extends Calling {}, legacy.Elsewhere);
    const throughOthers = typed(class extends Calling {}, callingClass());
    const [through] = Reflect.getOwnMetadata('design:paramtypes', throughOthers) as [typeof Calling];
    for (const options of [
      { controllers: [taking(through)], providers: [through] },
      { checks: [callingClass()] },
      { wrappers: [callingClass()] },
      { checks: [throughOthers], providers: [through] },
    ] satisfies CoreOptions[]) {
      const container = containerOf(options);
      createService(container);
      expect(container.get(legacy.Elsewhere)).to.be.instanceOf(legacy.Elsewhere);
    }
    const marked = typed(class extends Calling {}, Object, Number);
    inject(legacy.Elsewhere)(marked, undefined, 0);
    inject(unbound)(marked, undefined, 1);
    expect(() => createService(containerOf({ checks: [marked] })), 'its parameter 0 is found').to.throw(/needs Symbol\(tok\) \(parameter 1/);
    const provider = callingClass();
    const container = containerOf({ providers: [provider] });
    createService(container);
    expect(container.get(provider).elsewhere).to.be.instanceOf(legacy.Elsewhere);
  });

  it('makes no controller of a request at the start, and takes what its constructor may do without', () => {
    let made = 0;
    @Controller('/optional')
    class Optional {
      constructor(readonly part: unknown) {
        made++;
      }
      @Get('/')
      x(): void {}
    }
    typed(Optional, Part);
    inject(Part)(Optional, undefined, 0);
    optional()(Optional, undefined, 0);
    const container = containerOf({ controllers: [{ controller: Optional, scope: 'request' }] });
    createService(container);
    expect(made).to.equal(0);
    expect(container.get(Optional).part).to.equal(undefined);
  });

  it('counts the scope of a controller that is said among the controllers, not that of its binding', async () => {
    let made = 0;
    @Controller('/once')
    class Once {
      readonly number: number = ++made;
      @Get('/')
      x(): number {
        return this.number;
      }
    }
    const container = containerOf({ controllers: [Once] });
    container.bind(Once).toSelf().inTransientScope();
    const { handler } = createService(container).mountable.routes.routes[0]!;
    expect([await handler(undefined as never), await handler(undefined as never)]).to.deep.equal([1, 1]);
  });

  it('keeps the own error of a constructor', () => {
    @Controller('/broken')
    class Broken {
      constructor() {
        throw new RangeError('no disk');
      }
      @Get('/')
      x(): void {}
    }
    expect(() => createService(containerOf({ controllers: [Broken] }))).to.throw('no disk');
  });
});
