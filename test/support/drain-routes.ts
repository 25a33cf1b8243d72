import { Readable } from 'node:stream';
import { get, monitor, post } from '@ferrule/core';
import type { HttpAdapter, Route } from '@ferrule/core';
import { createMountable, healthHandler } from '@ferrule/core/adapter';
import type { Drains, Work } from './drain-cases.js';

/** The app of the drain cases as routes of a service. */
export function drainRoutes(work: Work): readonly Route[] {
  return [
    get('/quick', () => 'quick'),
    get('/large', () => work.large()),
    get('/slow', async () => {
      await work.hold();
      return 'slow';
    }),
    get('/stream', () =>
      Readable.from(
        (async function* () {
          yield 'first ';
          await work.hold();
          yield 'last';
        })(),
      ),
    ),
    post('/body', { body: 'bytes' }, () => 'read'),
  ];
}

/** An adapter with routes, or with an app of its own below, as a service would mount it. */
export function mounted(adapter: HttpAdapter, routes: readonly Route[] = []): Drains {
  adapter.mount(createMountable({ name: 'test', routes, health: healthHandler(monitor()) }));
  return adapter;
}
