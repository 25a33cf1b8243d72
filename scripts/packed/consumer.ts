// A consumer that names what each package exports; it only has to compile.
import { sticky } from '@ferrule-examples/balancer';
import { fastifyAdapter } from '@ferrule-examples/fastify';
import { hubRegistry } from '@ferrule-examples/registry';
import { Stack, client, createService, get, guard, retry, timeout } from '@ferrule/core';
import type { Service, Wrapper, WrapperOption } from '@ferrule/core';
import { Endpoint, createMountable } from '@ferrule/core/adapter';
import type { Balancer, HttpAdapter } from '@ferrule/core/adapter';
import * as onExpress from '@ferrule/express';
import * as onKoa from '@ferrule/koa';
import { httpAdapterCases, manualClock } from '@ferrule/testing';

const noting: Wrapper = (next) => (call) => next(call);
const placed: WrapperOption = { wrapper: noting, before: 'timeout' };
const adapters: readonly HttpAdapter[] = [onExpress.expressAdapter(), onKoa.koaAdapter(), fastifyAdapter()];
const balancer: Balancer = sticky({ key: (call) => call.params['id'] });
export const services: readonly Service[] = adapters.map((adapter) =>
  createService({ name: 'orders', adapter, wrappers: [placed], routes: [get('/orders/:id', timeout('1s'), (call) => call.params['id'])] }),
);
export const orders = client('orders', { registry: hubRegistry({ url: 'http://127.0.0.1:1' }), balancer, wrappers: [noting] });
export const guarded: (id: string) => Promise<number> = guard(async (id: string) => id.length, retry(), timeout('1s'));
// @ts-expect-error a wrapper is no text
export const refused: WrapperOption = 'timeout';
export const used: readonly unknown[] = [Stack, Endpoint, createMountable, httpAdapterCases, manualClock];
