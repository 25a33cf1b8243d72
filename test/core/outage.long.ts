import { expect } from 'chai';
import { createService, client, get, memoryRegistry, silentLogger } from '@ferrule/core';
import type { Registry, Service } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';

const OUTAGE_MS = 65_000;

/** A registry whose discovery can be taken away: open watches throw, and so does every new one. */
function breakable(inner: Registry): Registry & { broken: boolean; readonly attempts: number; break(): void } {
  let outage = new AbortController();
  return {
    name: inner.name,
    broken: false,
    attempts: 0,
    break() {
      this.broken = true;
      outage.abort();
      outage = new AbortController();
    },
    register: (instance, options) => inner.register(instance, options),
    services: (signal) => inner.services(signal),
    async *watch(service, signal) {
      (this as { attempts: number }).attempts++;
      if (this.broken) throw new Error('the registry is away');
      const { signal: gone } = outage;
      yield* inner.watch(service, AbortSignal.any([signal, gone]));
      if (gone.aborted) throw new Error('the registry has gone');
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

async function start(registry: Registry): Promise<Service> {
  const service = createService({
    name: 'orders',
    adapter: expressAdapter(),
    registry,
    signals: false,
    logger: silentLogger,
    listen: { host: '127.0.0.1' },
    drainDelay: 0,
    routes: [get('/orders/:id', (call) => ({ id: call.params['id'] }))],
  });
  await service.start();
  return service;
}

describe('a registry that is away for a minute', function () {
  this.timeout(OUTAGE_MS + 30_000);

  it('fails no call, is asked about once a second at most, and is used again when it comes back', async () => {
    const registry = breakable(memoryRegistry());
    const first = await start(registry);
    const orders = client('orders', { registry });
    await orders.get('/orders/:id', { params: { id: 1 } });

    registry.break();
    const before = registry.attempts;
    const until = Date.now() + OUTAGE_MS;
    let failed = 0;
    let calls = 0;
    while (Date.now() < until) {
      calls++;
      await orders.get('/orders/:id', { params: { id: calls } }).catch(() => failed++);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect({ failed, many: calls > 1_000 }).to.deep.equal({ failed: 0, many: true });
    expect(registry.attempts - before)
      .to.be.at.least(2)
      .and.at.most(OUTAGE_MS / 1_000);

    registry.broken = false;
    const second = await start(registry);
    while (orders.endpoints().length < 2) await new Promise((resolve) => setTimeout(resolve, 50));

    await orders[Symbol.asyncDispose]();
    await Promise.all([first.stop(), second.stop()]);
    await registry[Symbol.asyncDispose]();
  });
});
