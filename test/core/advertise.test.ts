import { expect } from 'chai';
import type { NetworkInterfaceInfo } from 'node:os';
import { createService } from '@ferrule/core';
import type { HttpAdapter, Instance, Registry } from '@ferrule/core';
import { advertisedAddress, instanceId } from '@ferrule/core/adapter';

const at = (address: string, family: 'IPv4' | 'IPv6', internal = false): NetworkInterfaceInfo =>
  ({ address, family, internal, netmask: '', mac: '', cidr: null, ...(family === 'IPv6' && { scopeid: 0 }) }) as NetworkInterfaceInfo;

const LO = { lo: [at('127.0.0.1', 'IPv4', true), at('::1', 'IPv6', true)] };
const BOTH = { ...LO, eth0: [at('fe80::1', 'IPv6'), at('2001:db8::5', 'IPv6'), at('10.0.0.5', 'IPv4')] };
const ONLY6 = { ...LO, eth0: [at('fe80::1', 'IPv6'), at('2001:db8::5', 'IPv6')] };

describe('the advertised address', () => {
  for (const [what, bound, given, registry, interfaces, expected] of [
    ['is the one it listens on', '10.1.1.1', {}, 'consul', BOTH, '10.1.1.1:80'],
    ['is the loopback address for a registry of this machine', '0.0.0.0', {}, 'file', BOTH, '127.0.0.1:80'],
    ['is the loopback address in memory', '::', {}, 'memory', BOTH, '127.0.0.1:80'],
    ['is the loopback address for a static registry', '0.0.0.0', {}, 'static', BOTH, '127.0.0.1:80'],
    ['is the loopback address without a registry', '0.0.0.0', {}, undefined, BOTH, '127.0.0.1:80'],
    ['is the first outer IPv4 address when it listens on all', '0.0.0.0', {}, 'consul', BOTH, '10.0.0.5:80'],
    ['is the same for IPv6', '::', {}, 'consul', BOTH, '10.0.0.5:80'],
    ['is an outer IPv6 address when there is no IPv4', '::', {}, 'consul', ONLY6, '2001:db8::5:80'],
    ['is the loopback address when there is no other', '0.0.0.0', {}, 'consul', LO, '127.0.0.1:80'],
    ['is what was given', '0.0.0.0', { host: 'orders.internal', port: 8080 }, 'consul', BOTH, 'orders.internal:8080'],
    ['takes a given port alone', '10.1.1.1', { port: 8080 }, 'file', BOTH, '10.1.1.1:8080'],
    ['takes a given host alone', '0.0.0.0', { host: 'a' }, 'file', BOTH, 'a:80'],
  ] as const) {
    it(what, () => {
      const { host, port } = advertisedAddress({ host: bound, port: 80 }, given, registry, () => interfaces);
      expect(`${host}:${port}`).to.equal(expected);
    });
  }

  it('goes into an id that is new each time, whatever the host is made of', () => {
    expect(instanceId('orders', { host: '2001:db8::5', port: 80 })).to.match(/^orders-2001-db8-5-80-[0-9a-f]{8}$/);
    expect(instanceId('orders', { host: 'a', port: 1 })).to.not.equal(instanceId('orders', { host: 'a', port: 1 }));
  });

  it('is warned of when it is loopback in a registry of many machines', async () => {
    const warnings: string[] = [];
    const logger = { debug() {}, info() {}, error() {}, warn: (_fields: object, message: string) => void warnings.push(message) };
    const adapter: HttpAdapter = {
      name: 'x',
      mount() {},
      attach() {},
      listen: () => Promise.resolve({ host: '127.0.0.1', port: 1 }),
      startDraining() {},
      close: () => Promise.resolve(),
    };
    const registry = (name: string): Registry => ({
      name,
      register: (instance: Instance) =>
        Promise.resolve({
          instance,
          report: () => Promise.resolve(),
          deregister: () => Promise.resolve(),
          [Symbol.asyncDispose]: () => Promise.resolve(),
        }),
      watch: () => expect.fail(),
      services: () => Promise.resolve([]),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
    for (const name of ['consul', 'file']) {
      const service = createService({ name: 'x', adapter, registry: registry(name), logger, signals: false, drainDelay: 0 });
      await service.start();
      await service.stop();
    }
    expect(warnings.length).to.equal(1);
    expect(warnings[0]).to.contain('loopback');
  });
});
