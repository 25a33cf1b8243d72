import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { z } from 'zod';
import {
  Delete,
  Get,
  Post,
  ServiceClient,
  Timeout,
  client,
  clientOf,
  createService,
  isServiceError,
  memoryRegistry,
  silentLogger,
} from '@ferrule/core';
import type { HttpAdapter, Remote, Service } from '@ferrule/core';

@ServiceClient('orders', { retry: false })
class Orders {
  @Get('/orders/:id') readonly find!: Remote<
    { params: { id: string }; query?: { full?: boolean }; headers?: { 'x-tenant': string } },
    { id: string }
  >;
  @Post('/orders', { output: z.object({ id: z.string() }) }) readonly create!: Remote<{ body: { item: string } }, { id: string }>;
  @Delete('/orders/:id') readonly remove!: Remote<{ params: { id: string } }>;

  async idOf(id: string): Promise<string> {
    return (await this.find({ params: { id } })).id;
  }
}

describe('a @ServiceClient', () => {
  const asked: string[] = [];
  const server = createServer((req, res) => {
    asked.push(`${req.method} ${req.url} ${String(req.headers['x-tenant'] ?? '-')}`);
    if (req.method === 'DELETE') return void res.writeHead(204).end();
    if (req.url === '/orders/moved') return void res.writeHead(302, { location: '/' }).end();
    res.writeHead(200, { 'content-type': 'application/json' }).end(req.method === 'POST' ? '{"id":5}' : '{"id":"7"}');
  });
  before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  after(() => server.close());
  beforeEach(() => asked.splice(0));

  const withClient = async (work: (orders: Orders) => Promise<void>): Promise<void> => {
    await using to = client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await work(clientOf(Orders, to));
  };

  it('has operations for its fields, and methods of its own that use them', () =>
    withClient(async (orders) => {
      expect(await orders.find({ params: { id: '7' }, query: { full: true }, headers: { 'x-tenant': 'a' } })).to.deep.equal({ id: '7' });
      expect(await orders.idOf('8')).to.equal('7');
      expect(await orders.remove({ params: { id: '7' } })).to.equal(undefined);
      expect(asked).to.deep.equal(['GET /orders/7?full=true a', 'GET /orders/8 -', 'DELETE /orders/7 -']);
    }));

  it('rejects a reply that is no body, or does not fit its schema, with 502', () =>
    withClient(async (orders) => {
      for (const [call, message] of [
        [() => orders.find({ params: { id: 'moved' } }), /answered 302 to GET \/orders\/:id/],
        [() => orders.create({ body: { item: 'x' } }), /with what does not fit: #\/id/],
      ] as const) {
        const error: unknown = await call().catch((thrown: unknown) => thrown);
        expect(isServiceError(error) && [error.status, error.reason]).to.deep.equal([502, 'UNEXPECTED_REPLY']);
        expect((error as Error).message).to.match(message);
      }
    }));

  it('says which part of a request it does not know', () =>
    withClient(async (orders) => {
      const given = { param: { id: '1' } } as never;
      const error: unknown = await orders.find(given).catch((thrown: unknown) => thrown);
      expect((error as Error).message).to.equal(
        'Orders.find: there is no part "param" in a request. It takes params, query, headers, body, timeout, address, signal, idempotencyKey.',
      );
      expect(((await orders.find('1' as never).catch((thrown: unknown) => thrown)) as Error).message).to.match(
        /it takes one object.*was given string/,
      );
    }));

  it('explains itself when it was made with new', () => {
    const orders = new Orders();
    expect(() => orders.find({ params: { id: '1' } })).to.throw(
      TypeError,
      "Orders.find: this Orders was made with new, so nothing stands behind its fields. Take it from service.client(Orders), clientOf(Orders, client('…')) or the container.",
    );
    expect(orders).to.be.instanceOf(Orders);
    expect(Orders.name).to.equal('Orders');
  });

  it('is inherited, with operations that the derived class adds', async () => {
    class More extends Orders {
      @Get('/more') readonly more!: Remote<Record<never, never>, { id: string }>;
    }
    await using to = client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const more = clientOf(More, to);
    await more.more();
    await more.remove({ params: { id: '1' } });
    expect(asked).to.deep.equal(['GET /more -', 'DELETE /orders/1 -']);
  });

  const target = client('http://127.0.0.1:9');
  after(() => target[Symbol.asyncDispose]());
  class Undecorated {
    readonly x?: string;
  }
  @ServiceClient('empty')
  class Empty {}
  @ServiceClient('methods')
  class OnMethod {
    @Get('/x')
    x(): void {}
  }
  @ServiceClient('paths')
  class BadPath {
    @Get('/x?y=1') readonly x!: Remote;
  }
  @ServiceClient('limited')
  @Timeout('1s')
  class Limited {
    @Get('/x') readonly x!: Remote;
  }
  const MISTAKES: readonly (readonly [string, () => unknown, RegExp])[] = [
    ['no target', () => ServiceClient(''), /@ServiceClient\(""\): give the name of a service/],
    ['a class without it', () => clientOf(Undecorated, target), /Undecorated has no @ServiceClient, so it is no client/],
    ['a class without operations', () => clientOf(Empty, target), /Empty has no operation\. Declare fields such as @Get/],
    ['a verb on a method', () => clientOf(OnMethod, target), /OnMethod\.x: a verb stands on a method\. In a @ServiceClient it stands on a field/],
    [
      'a policy, which belongs into the options',
      () => clientOf(Limited, target),
      /Limited: @Timeout does nothing on a client\. Give its options to @ServiceClient/,
    ],
    ['a malformed path', () => clientOf(BadPath, target), /BadPath\.x, GET \/x\?y=1: Path/],
  ];
  for (const [name, make, message] of MISTAKES) it(`refuses ${name}`, () => void expect(make).to.throw(TypeError, message));

  it('comes from a service, the same one each time, through the client of its target', async () => {
    const adapter: HttpAdapter = {
      name: 'none',
      mount() {},
      attach() {},
      startDraining() {},
      listen: async () => ({ host: '127.0.0.1', port: 1 }),
      close: async () => {},
    };
    const service: Service = createService({ name: 'shop', adapter, registry: memoryRegistry(), signals: false, logger: silentLogger });
    const orders = service.client(Orders);
    expect(service.client(Orders)).to.equal(orders);
    expect(service.client('orders').service).to.equal('orders');
    expect(service.describe().clients).to.have.length(1);
    expect(() => service.client(Undecorated)).to.throw(TypeError, /Undecorated has no @ServiceClient/);
    await service.stop();
  });
});
