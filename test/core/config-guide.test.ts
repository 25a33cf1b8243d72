import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { loadConfig } from '@ferrule/core';
import type { ConfigError, ConfigSource } from '@ferrule/core';

const text = readFileSync(fileURLToPath(new URL('../../../docs/configuration.md', import.meta.url)), 'utf8');
const BLOCK = /<!-- config: ([\w-]+) -->\n```(yaml|json)\n([\s\S]*?)```/g;

describe('docs/configuration.md', () => {
  let folder: string;
  before(() => void (folder = mkdtempSync(join(tmpdir(), 'ferrule-guide-'))));
  after(() => rmSync(folder, { recursive: true }));

  const blocks = [...text.matchAll(BLOCK)].map(([, name, kind, content]) => ({ name: name!, kind: kind!, content: content! }));

  it('marks every block of a configuration', () => {
    expect(blocks.length).to.be.at.least(4);
    expect(blocks).to.have.length([...text.matchAll(/```(?:yaml|json)\n/g)].length);
  });

  for (const { name, kind, content } of blocks) {
    it(`its example ${name} is a configuration`, async () => {
      const path = join(folder, `${name}.${kind}`);
      writeFileSync(path, content);
      expect(await loadConfig(path, { env: {} }))
        .to.have.property('files')
        .with.length(1);
    });
  }

  /** One for each object that a configuration may hold, with a key that is in none. */
  const SECTIONS: readonly object[] = [
    { x: 1 },
    { service: { x: 1, advertise: { x: 1 }, listen: { x: 1, server: { x: 1 } }, health: { x: 1 }, routePolicies: { 'GET /': { x: 1 } } } },
    {
      service: {
        health: {
          checks: [
            { type: 'tcp', x: 1, host: 'a', port: 1 },
            { type: 'dns', x: 1, hostname: 'a' },
            ...['http', 'grpc'].map((type) => ({ type, x: 1, url: 'http://a', tls: { x: 1 } })),
            { type: 'bandwidth', x: 1, url: 'http://a' },
            { type: 'service', x: 1, service: 'a' },
            { type: 'memory', x: 1, heap: { x: 1 }, rss: { x: 1 } },
            { type: 'eventLoop', x: 1, delay: { x: 1 } },
            ...['diskSpace', 'cpu', 'openHandles', 'registry'].map((type) => ({ type, x: 1 })),
          ],
        },
      },
    },
    { registry: { type: 'file', x: 1 } },
    { registry: { type: 'static', x: 1 } },
    { discovery: { x: 1, reconnect: { x: 1 }, store: { type: 'file', x: 1 } } },
    { direct: { x: 1, resolve: { x: 1 }, services: { a: { x: 1, host: 'a', port: 1 } } } },
    { hybrid: { x: 1, check: { x: 1 }, services: { a: { x: 1 } } } },
    { activeHealth: { x: 1, services: { a: { x: 1, recovery: { x: 1 }, probe: { type: 'http', path: '/', x: 1, tls: { x: 1 } } } } } },
    { activeHealth: { services: { a: { probe: { type: 'tcp', x: 1 } } } } },
    { routing: { x: 1, rules: [{ x: 1, name: 'a', target: { x: 1 }, match: [{ x: 1 }] }] } },
    { routing: [{ x: 1, metadata: {}, conditions: [{ x: 1, field: 'a', operator: 'in', value: 'a' }] }] },
    {
      clients: {
        a: {
          x: 1,
          pool: { x: 1 },
          retry: { x: 1 },
          circuitBreaker: { x: 1, adaptive: { x: 1 }, recovery: { kind: 'linear', x: 1 } },
          bulkhead: { x: 1, limit: 1 },
          rateLimit: { x: 1, limit: 1 },
          concurrencyLimit: { x: 1 },
          replyCache: { x: 1 },
          hedge: { x: 1 },
          throttle: { x: 1 },
        },
      },
    },
    { clients: { a: { ejector: { x: 1 }, filters: [{ x: 1 }, { metadata: { key: 'a', x: 1 } }], metadataHealth: { x: 1 }, telemetry: { x: 1 } } } },
    { clients: { a: { canary: { x: 1, percent: 1, by: { x: 1 }, canary: {} } } } },
    ...['relative-latency', 'peak-ewma', 'least-pending'].map((type) => ({
      clients: { a: { balancer: { type: 'p2c', x: 1, load: { type, x: 1 } } } },
    })),
    ...['exponential', 'linear'].map((type) => ({ clients: { a: { retry: { backoff: { type, x: 1 } } } } })),
  ];

  it('names every key that there is', async () => {
    const names = new Set<string>();
    for (const section of SECTIONS) {
      const error: unknown = await loadConfig(section as ConfigSource, { env: {} }).catch((thrown: unknown) => thrown);
      const problems = (error as ConfigError).problems.filter(({ path }) => path === 'x' || path.endsWith('.x'));
      const count = JSON.stringify(section).split('"x":').length - 1;
      expect(problems, JSON.stringify(section)).to.have.length(count);
      for (const { expected } of problems) for (const name of expected.replace('There are ', '').split(', ')) names.add(name);
    }
    expect(names.size).to.be.above(100);
    const isNamed = (name: string): boolean => new RegExp(`[\`\\s]${name}[\`\\s,:.]`).test(text);
    expect([...names].filter((name) => !isNamed(name))).to.deep.equal([]);
  });
});
