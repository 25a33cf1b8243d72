// One decorated application. This source is compiled twice: here as standard decorators, in ../decorators-legacy with experimentalDecorators.
import * as v from 'valibot';
import { z } from 'zod';
import { Inject } from '@ferrule/core/di';
import {
  Bulkhead,
  Controller,
  Delete,
  Fallback,
  Get,
  Head,
  HealthCheck,
  MapError,
  Options,
  Patch,
  Post,
  Put,
  Reply,
  Retry,
  ServiceClient,
  ServiceError,
  Status,
  Timeout,
  Wrap,
  body,
  context,
  header,
  param,
  query,
} from '@ferrule/core';
import type { Call, Handler, InputOf, Remote, RemoteOf } from '@ferrule/core';

export interface Order {
  readonly id: number;
  readonly item: string;
  readonly amount: number;
}

export class NoSuchOrder extends Error {}

export class Store {
  readonly orders = new Map<number, Order>([[1, { id: 1, item: 'screw', amount: 100 }]]);
  tries = 0;
}

export class Audit {
  readonly seen: string[] = [];
}

const NewOrder = z.object({ item: z.string().min(1), amount: z.number().int().positive() });
const Amount = v.object({ amount: v.pipe(v.number(), v.minValue(1)) });
const Page = z.object({ limit: z.coerce.number().max(50).default(10), tag: z.union([z.string(), z.array(z.string())]).optional() });

/** What both sides agree upon. */
export const priceOf = {
  input: { params: z.object({ item: z.string().min(2) }), query: z.object({ amount: z.coerce.number<number>().positive() }) },
  output: z.object({ item: z.string(), total: z.number() }),
};

@Controller('/prices')
export class Prices {
  @Get('/:item', priceOf)
  price(_call: Call, { params, query: { amount } }: InputOf<typeof priceOf.input>): unknown {
    if (params.item === 'broken') return { item: 'broken', total: 'much' };
    if (params.item === 'nothing') throw new ServiceError('NOT_FOUND', 'There is no price for it', { reason: 'NO_PRICE' });
    return { item: params.item, total: amount * 2, secret: 'cost 1' };
  }
}

@ServiceClient('prices', { retry: false })
export class PricesClient {
  @Get('/prices/:item', priceOf) readonly price!: RemoteOf<typeof priceOf>;
  @Get('/prices/:item') readonly raw!: Remote<{ params: { item: string }; query: { amount: number } }, { total: number }>;

  async total(item: string, amount: number): Promise<number> {
    return (await this.price({ params: { item }, query: { amount } })).total;
  }
}

/** A wrapper that the container makes. */
@Inject(Audit)
export class Audited {
  readonly #audit: Audit;

  constructor(audit: Audit) {
    this.#audit = audit;
  }

  wrap(next: Handler): Handler {
    return (call) => {
      this.#audit.seen.push(call.label);
      return next(call);
    };
  }
}

/** Routes that every collection has. */
export abstract class Collection {
  @Get('/size')
  size(): number {
    return -1;
  }

  @Options('/anything')
  can(): Reply {
    return new Reply(204, undefined, { allow: 'GET' });
  }
}

@Controller('/orders')
@MapError(NoSuchOrder, (error) => new ServiceError('NOT_FOUND', error.message, { reason: 'NO_SUCH_ORDER' }))
@Wrap(Audited)
@Timeout('5s')
@Inject(Store, PricesClient)
export class Orders extends Collection {
  readonly #store: Store;
  readonly #prices: PricesClient;

  constructor(store: Store, prices: PricesClient) {
    super();
    this.#store = store;
    this.#prices = prices;
  }

  override size(): number {
    return this.#store.orders.size;
  }

  @Get('', query(Page))
  list(page: z.output<typeof Page>): unknown {
    return { page };
  }

  @Get('/:id', param('id', Number), header('x-shout', Boolean))
  one(id: number, shout?: boolean): Order {
    const order = this.#find(id);
    return shout === true ? { ...order, item: order.item.toUpperCase() } : order;
  }

  @Head('/:id', param('id', Number))
  exists(id: number): Reply {
    return new Reply(200, undefined, { 'x-item': this.#find(id).item });
  }

  @Post('', body(NewOrder))
  @Status(201)
  create(order: z.output<typeof NewOrder>): Order {
    const made = { ...order, id: this.#store.orders.size + 1 };
    this.#store.orders.set(made.id, made);
    return made;
  }

  @Post('/:id/copies', param('id', Number))
  copy(id: number): Order {
    return this.#find(id);
  }

  @Put('/:id', param('id', Number), body(Amount))
  change(id: number, { amount }: v.InferOutput<typeof Amount>): Order {
    const changed = { ...this.#find(id), amount };
    this.#store.orders.set(id, changed);
    return changed;
  }

  @Patch('/:id', param('id', Number), body<{ item: string }>(), context())
  rename(id: number, { item }: { item: string }, call: Call): unknown {
    return { ...this.#find(id), item, by: call.operation.name };
  }

  @Delete('/:id', param('id', Number))
  remove(id: number): void {
    this.#store.orders.delete(id);
  }

  @Get('/:id/total', param('id', Number))
  async total(id: number): Promise<unknown> {
    const { item, amount } = this.#find(id);
    return { total: await this.#prices.total(item, amount) };
  }

  // Written in the wrong order on purpose: they nest as fallback, timeout, bulkhead, retry.
  @Retry({ retries: 2, backoff: () => 0, budgets: [] })
  @Get('/flaky/:kind', param('kind'))
  @Bulkhead(5)
  @Fallback((error: unknown) => ({ instead: (error as Error).message }))
  @Timeout('2s')
  flaky(kind: string): unknown {
    this.#store.tries++;
    if (kind === 'once' && this.#store.tries === 2) return { tries: 2 };
    throw new ServiceError('UNAVAILABLE', `try ${this.#store.tries}`, { expose: true });
  }

  @Get('/:id/call')
  raw(call: Call): unknown {
    return { id: call.params['id'], method: call.operation.method };
  }

  @HealthCheck('store', { cacheFor: 0 })
  stored(): boolean {
    return this.#store.orders.size > 0;
  }

  #find(id: number): Order {
    const order = this.#store.orders.get(id);
    if (order === undefined) throw new NoSuchOrder(`There is no order ${id}`);
    return order;
  }
}
