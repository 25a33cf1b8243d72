/* oxlint-disable no-template-curly-in-string -- that is how files take variables in */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { ConfigError, loadConfig } from '@ferrule/core';
import type { Config, ConfigProblem, ConfigSource, LoadOptions } from '@ferrule/core';

const NOTHING = { env: {} } as const;

async function refused(source: unknown, options: LoadOptions = NOTHING): Promise<ConfigError> {
  try {
    await loadConfig(source as ConfigSource, options);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('It was accepted');
}

const problemsOf = async (source: unknown, options?: LoadOptions): Promise<readonly ConfigProblem[]> => (await refused(source, options)).problems;
const pathsOf = async (source: unknown, options?: LoadOptions): Promise<readonly string[]> =>
  (await problemsOf(source, options)).map(({ path }) => path);
const valuesOf = async (source: unknown, options: LoadOptions = NOTHING): Promise<Config['values']> =>
  (await loadConfig(source as ConfigSource, options)).values;

describe('loadConfig', () => {
  let folder: string;
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  before(() => void (folder = mkdtempSync(join(tmpdir(), 'ferrule-config-'))));
  after(() => rmSync(folder, { recursive: true }));

  describe('the forms', () => {
    it('takes the original design’s configuration as it is', async () => {
      const original = {
        direct_mode: true,
        services: { 'user-service': '192.168.1.100:8080' },
        registry: { type: 'consul', address: '127.0.0.1:8500' },
      };
      expect(await valuesOf(original)).to.deep.equal({
        registry: { type: 'consul', address: '127.0.0.1:8500' },
        direct: { services: { 'user-service': '192.168.1.100:8080' }, mode: 'only' },
      });
      expect((await valuesOf({ ...original, direct_mode: false })).direct?.mode).to.equal('off');
    });

    it('takes a type alone, and both ways to say where services are', async () => {
      expect(
        await valuesOf({
          registry: 'file',
          discovery: { store: 'redis' },
          services: { a: 'a:1' },
          direct: { services: { b: ['b:1', { host: '::1', port: 2 }] } },
        }),
      ).to.deep.equal({
        registry: { type: 'file' },
        discovery: { store: { type: 'redis' } },
        direct: { services: { a: 'a:1', b: ['b:1', { host: '::1', port: 2 }] }, mode: 'only' },
      });
    });

    it('takes nothing at all', async () => {
      expect(await valuesOf({})).to.deep.equal({});
      expect(await valuesOf(file('empty.yaml', '# nothing\n'))).to.deep.equal({});
      expect(await valuesOf(file('sections.yaml', 'registry:\nclients:\n  orders:\n'))).to.deep.equal({ clients: {} });
    });

    it('reads JSON and YAML alike', async () => {
      const expected = { clients: { orders: { timeout: '2s', retry: { retries: 1 } } } };
      expect(await valuesOf(file('a.json', '\uFEFF{"clients":{"orders":{"timeout":"2s","retry":{"retries":1}}}}'))).to.deep.equal(expected);
      expect(await valuesOf(file('a.yml', 'clients:\n  orders:\n    timeout: 2s\n    retry: { retries: 1 }\n'))).to.deep.equal(expected);
    });

    it('puts several together, the later ones first: objects are merged, all else is replaced, null takes away', async () => {
      const base = file(
        'base.yaml',
        'registry: { type: consul, address: "a:8500" }\nclients: { defaults: { timeout: 1s }, orders: { zone: eu } }\ndiscovery: { warmUp: [a, b] }\n',
      );
      const local = file('local.json', '{"registry":{"address":"b:8500"},"discovery":{"warmUp":["c"]}}');
      const { values, files } = await loadConfig([base, local, { clients: { orders: null } } as unknown as ConfigSource], NOTHING);
      expect(files).to.deep.equal([base, local]);
      expect(values).to.deep.equal({
        registry: { type: 'consul', address: 'b:8500' },
        clients: { defaults: { timeout: '1s' } },
        discovery: { warmUp: ['c'] },
      });
    });
  });

  describe('the environment', () => {
    const CASES: readonly (readonly [string, string, object, object])[] = [
      ['FERRULE_REGISTRY_TYPE', 'etcd', { registry: 'file' }, { registry: { type: 'etcd' } }],
      ['FERRULE_REGISTRY', 'etcd', { registry: { type: 'consul', address: 'a:1' } }, { registry: { type: 'etcd' } }],
      ['FERRULE_REGISTRY_ADDRESS', 'b:8500', { registry: 'consul' }, { registry: { type: 'consul', address: 'b:8500' } }],
      ['FERRULE_REGISTRY_MAX_SOCKETS', '16', { registry: 'consul' }, { registry: { type: 'consul', maxSockets: 16 } }],
      ['FERRULE_REGISTRY_TLS__CA', 'ca.pem', { registry: 'consul' }, { registry: { type: 'consul', tls: { ca: 'ca.pem' } } }],
      ['FERRULE_REGISTRY_TOKEN', '1234567', { registry: 'consul' }, { registry: { type: 'consul', token: '1234567' } }],
      ['FERRULE_DIRECT_MODE', 'false', { services: { a: 'a:1' } }, { direct: { mode: 'off', services: { a: 'a:1' } } }],
      ['FERRULE_DIRECT_MODE', 'first', { direct: { mode: 'only' } }, { direct: { mode: 'first', services: {} } }],
      ['FERRULE_SERVICES_ORDERS', 'o:1', {}, { direct: { mode: 'only', services: { orders: 'o:1' } } }],
      ['FERRULE_SERVICES_USER_SERVICE', 'u:1, u:2', {}, { direct: { mode: 'only', services: { 'user-service': ['u:1', 'u:2'] } } }],
      [
        'FERRULE_SERVICES_USER_SERVICE',
        'u:1',
        { services: { user_service: 'x:1' } },
        { direct: { mode: 'only', services: { user_service: 'u:1' } } },
      ],
      ['FERRULE_CLIENTS_ORDERS_TIMEOUT', '250', {}, { clients: { orders: { timeout: 250 } } }],
      ['FERRULE_CLIENTS_ORDERS_ATTEMPT_TIMEOUT', 'false', {}, { clients: { orders: { attemptTimeout: false } } }],
      ['FERRULE_CLIENTS_MY_ORDERS_RETRY_RETRIES', '4', {}, { clients: { 'my-orders': { retry: { retries: 4 } } } }],
      ['FERRULE_CLIENTS_MY_ORDERS_RETRY', 'false', { clients: { myOrders: {} } }, { clients: { myOrders: { retry: false } } }],
      ['FERRULE_CLIENTS', '{"orders":{"zone":"eu"}}', {}, { clients: { orders: { zone: 'eu' } } }],
      ['FERRULE_SERVICE_TAGS', 'a,b', {}, { service: { tags: ['a', 'b'] } }],
      ['FERRULE_SERVICE_LISTEN_PORT', '8080', {}, { service: { listen: { port: 8080 } } }],
      ['FERRULE_SERVICE_VERSION', '2', {}, { service: { version: '2' } }],
      ['FERRULE_DISCOVERY_STORE_URL', 'redis://r', { discovery: { store: 'redis' } }, { discovery: { store: { type: 'redis', url: 'redis://r' } } }],
      ['FERRULE_REGISTRY_TYPE', '', { registry: 'file' }, { registry: { type: 'file' } }],
      // What Kubernetes sets for a Service called ferrule.
      ['FERRULE_SERVICE_HOST', '10.0.0.1', {}, {}],
      ['FERRULE_PORT_80_TCP', 'tcp://10.0.0.1:80', {}, {}],
    ];
    for (const [name, text, given, expected] of CASES) {
      it(`${name}=${text} over ${JSON.stringify(given)}`, async () => {
        expect(await valuesOf(given, { env: { [name]: text } })).to.deep.equal(expected);
      });
    }

    it('takes several variables of one section, a type and its options, JSON and what goes into it', async () => {
      const all = {
        FERRULE_REGISTRY: 'consul',
        FERRULE_REGISTRY_ADDRESS: 'b:8500',
        FERRULE_DISCOVERY_STORE: 'redis',
        FERRULE_DISCOVERY_STORE_URL: 'redis://r',
        FERRULE_CLIENTS: '{"userService":{"zone":"eu"},"orders":{"zone":"us"}}',
        FERRULE_CLIENTS_USER_SERVICE_TIMEOUT: '2s',
      };
      expect(await valuesOf({}, { env: all })).to.deep.equal({
        registry: { type: 'consul', address: 'b:8500' },
        discovery: { store: { type: 'redis', url: 'redis://r' } },
        clients: { userService: { zone: 'eu', timeout: '2s' }, orders: { zone: 'us' } },
      });
    });

    it('says which variable is wrong', async () => {
      const problems = await problemsOf(
        {},
        { env: { FERRULE_CLIENTS_ORDERS_TIMEOUT: 'soon', FERRULE_REGISTY_TYPE: 'file', FERRULE_SERVICES_A: 'localhost' } },
      );
      expect(problems.map(({ path, source, value, nearest }) => ({ path, source, value, nearest }))).to.deep.equal([
        { path: '', source: undefined, value: undefined, nearest: ['FERRULE_REGISTRY'] },
        { path: 'clients.orders.timeout', source: 'FERRULE_CLIENTS_ORDERS_TIMEOUT', value: '"soon"', nearest: undefined },
        { path: 'services.a', source: 'FERRULE_SERVICES_A', value: undefined, nearest: undefined },
      ]);
      expect(problems[0]!.message).to.contain('FERRULE_REGISTY_TYPE');
    });

    it('takes another prefix, or none', async () => {
      const env = { FERRULE_NONSENSE: 'x', SHOP_REGISTRY: 'file' };
      expect(await valuesOf({}, { env, prefix: 'SHOP_' })).to.deep.equal({ registry: { type: 'file' } });
      expect(await valuesOf({}, { env, prefix: false })).to.deep.equal({});
    });
  });

  describe('interpolation', () => {
    const TEXT =
      'registry: { type: consul, token: "${TOKEN}", maxSockets: "${SOCKETS:-12}" }\nservice: { name: "a-${WHO}", listen: { port: "${PORT}" }, metadata: { shell: "$${HOME}" } }\n';

    it('takes variables into files, as what belongs there', async () => {
      const source = file('secret.yaml', TEXT);
      expect(await valuesOf(source, { env: { TOKEN: '0042', WHO: 'b', PORT: '8080' } })).to.deep.equal({
        registry: { type: 'consul', token: '0042', maxSockets: 12 },
        service: { name: 'a-b', listen: { port: 8080 }, metadata: { shell: '${HOME}' } },
      });
    });

    it('names the path and the variable of one that is missing', async () => {
      const source = file('secret.yaml', TEXT);
      const problems = await problemsOf(source, { env: { TOKEN: '', PORT: '1' } });
      expect(problems.map(({ message }) => message)).to.deep.equal([
        'registry.token: the environment variable TOKEN is empty. Set TOKEN, or give a default with ${TOKEN:-…}.',
        'service.name: the environment variable WHO is not set. Set WHO, or give a default with ${WHO:-…}.',
      ]);
      expect(problems.map((one) => one.source)).to.deep.equal([`${source}:1`, `${source}:2`]);
    });

    it('leaves what was given in code alone', async () => {
      expect((await valuesOf({ service: { name: '${HOME}' } })).service).to.deep.equal({ name: '${HOME}' });
    });
  });

  describe('what is wrong', () => {
    it('is told all at once, with path, line, value and the nearest key', async () => {
      const source = file(
        'wrong.yaml',
        [
          'registry:',
          '  type: Consul',
          'clients:',
          '  orders:',
          '    timeout: 5 parsecs',
          '    retrys: 3',
          '    bulkhead: { queue: -1 }',
          'drainDelay: 2s',
          'services:',
          '  a: localhost',
          '',
        ].join('\n'),
      );
      const { problems, message } = await refused(source);
      expect(problems.map(({ path, source: at, value, nearest }) => [path, at?.slice(source.length), value, nearest])).to.deep.equal([
        ['clients.orders.timeout', ':5', '"5 parsecs"', undefined],
        ['clients.orders.retrys', ':6', undefined, ['retry']],
        ['clients.orders.bulkhead.queue', ':7', '-1', undefined],
        ['clients.orders.bulkhead.limit', ':7', undefined, undefined],
        ['drainDelay', ':8', undefined, undefined],
        ['registry.type', ':2', '"Consul"', undefined],
        ['services.a', ':10', undefined, undefined],
      ]);
      expect(message).to.match(
        /^The configuration has 7 problems:\n {2}\S+wrong\.yaml:5: clients\.orders\.timeout: "5 parsecs" does not fit\. Give milliseconds/,
      );
    });

    it('has lines in JSON too', async () => {
      const source = file(
        'wrong.json',
        '{\n  "clients": {\n    "orders": { "timeout": "2s",\n      "retry": { "retries": [1] } } },\n  "routing": [\n    { "name": "a", "target": {} },\n    { "name": 3, "target": {} } ]\n}',
      );
      expect((await problemsOf(source)).map(({ path, source: at }) => `${path}${at?.slice(source.length)}`)).to.deep.equal([
        'clients.orders.retry.retries:4',
        'routing[1].name:7',
      ]);
    });

    const CASES: readonly (readonly [string, unknown, readonly string[]])[] = [
      ['unknown sections', { clinets: {} }, ['clinets']],
      [
        'keys of the prototype',
        JSON.parse('{"__proto__":{"a":1},"clients":{"__proto__":{}},"services":{"__proto__":"a:1"},"constructor":1}'),
        ['__proto__', 'clients.__proto__', 'services.__proto__', 'constructor'],
      ],
      [
        'sections of another kind',
        { clients: [], service: 'orders', routing: 'x', discovery: true, direct: 1 },
        ['clients', 'service', 'routing', 'discovery', 'direct'],
      ],
      [
        'what only code can give',
        { service: { adapter: 'express', name: 'a' }, clients: { a: { retry: { on: 'x' } } } },
        ['service.adapter', 'clients.a.retry.on'],
      ],
      ['numbers in the place of texts', { service: { version: 2, metadata: { a: 1 } } }, ['service.version', 'service.metadata.a']],
      ['two modes', { direct_mode: true, direct: { mode: 'off' } }, ['direct_mode']],
      [
        'addresses',
        { direct: { services: { a: ['x', 'a:1'], b: 'http://u:p@h:1' } }, registry: { type: 'static', services: { c: 'c:0' } } },
        ['direct.services.a', 'direct.services.b', 'registry.services.c'],
      ],
      [
        'options of built-in registries and stores',
        { registry: { type: 'file', heartbeet: '1s' }, discovery: { store: { type: 'file', maxServices: 0 } } },
        ['registry.heartbeet', 'discovery.store.maxServices'],
      ],
      [
        'what the parts themselves refuse',
        {
          discovery: { reconnect: { floor: 1 } },
          activeHealth: { services: { a: { recovery: { base: '2s', cap: '1s' } } } },
          clients: { a: { retry: { backoff: { type: 'linear', base: '2s', cap: '1s' } } } },
        },
        ['discovery', 'activeHealth.services.a', 'clients.a'],
      ],
      [
        'checks',
        { hybrid: { check: { probe: 'http' }, services: { a: { check: { probe: { type: 'http', path: 'x' } } } } } },
        ['hybrid.check.probe', 'hybrid.services.a.check.probe.path'],
      ],
      [
        'rules',
        {
          routing: [{ name: 'a', match: [{ headr: 'x' }], target: {} }, { conditions: [{ field: 'a', operator: 'like', value: 1 }] }, { target: {} }],
        },
        ['routing[0].match[0].headr', 'routing[1].conditions[0].operator', 'routing[2].name'],
      ],
      [
        'two rules of a name',
        {
          routing: [
            { name: 'a', target: {} },
            { name: 'a', target: {} },
          ],
        },
        ['routing'],
      ],
      [
        'a pattern that is a RegExp',
        { clients: { a: { routing: [{ name: 'a', match: [{ header: 'x', op: 'matches', value: /x/ }], target: {} }] } } },
        ['clients.a.routing[0].match[0].value'],
      ],
      ['types', { registry: 'http://example.com/x.js', discovery: { store: '/etc/x.js' } }, ['registry', 'discovery.store']],
      ['types that climb', { registry: { type: '../../x.js' }, discovery: { store: './a/../../x.js' } }, ['registry.type', 'discovery.store']],
      ['a registry without a type', { registry: { address: 'a:1' } }, ['registry.type']],
      [
        'backoff and balancer of unknown types',
        { clients: { a: { balancer: { type: 'p2' }, retry: { backoff: { type: 'fixed' } } } } },
        ['clients.a.balancer.type', 'clients.a.retry.backoff.delay'],
      ],
      [
        'jitter that is none, and a step where there are none',
        {
          clients: {
            a: { retry: { backoff: { type: 'linear', step: '2s', jitter: 'some' }, replayLimit: -1 } },
            b: { retry: { backoff: { type: 'exponential', step: '2s', jitter: 1.5 } } },
            c: { retry: { backoff: { type: 'fixed', delay: '5s', jitter: 0.2 }, replayLimit: 0 } },
          },
        },
        ['clients.a.retry.backoff.jitter', 'clients.a.retry.replayLimit', 'clients.b.retry.backoff.step', 'clients.b.retry.backoff.jitter'],
      ],
    ];
    for (const [name, given, paths] of CASES) {
      it(name, async () => expect([...(await pathsOf(given))].sort()).to.deep.equal([...paths].sort()));
    }

    const FILES: readonly (readonly [string, string, RegExp])[] = [
      ['a.toml', '', /ends neither/],
      ['list.yaml', '- a\n', /list\.yaml: it holds a list/],
      ['broken.yaml', 'a: [1\ntoken: s3cret\n', /broken\.yaml:\d: it is no valid YAML/],
      ['twice.yaml', 'registry: a\nregistry: b\n', /twice\.yaml:2: .*twice/],
      ['tag.yaml', 'registry: !env TOKEN\n', /tag is unknown/],
      ['docs.yaml', 'registry: file\n---\nregistry: file\n', /several documents/],
      ['alias.yaml', 'registry: *nobody\n', /anchor/],
      ['broken.json', '{\n"registry": "s3cret" oops}', /broken\.json(:2)?: it is no valid JSON/],
      ['big.json', `{"a":"${'x'.repeat(1_048_600)}"}`, /more than 1048576 bytes/],
      ['binary.json', '{"a":"\u0000"', /no valid JSON/],
      ['deep.json', `${'['.repeat(2)}`, /no valid JSON/],
      ['deeper.json', `{"registry":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`, /nested deeper/],
      ['bomb.yaml', bomb(), /aliases/],
    ];
    for (const [name, text, pattern] of FILES) {
      it(`the file ${name}`, async () => {
        const { message } = await refused(file(name, text));
        expect(message).to.match(pattern);
        expect(message).not.to.contain('s3cret');
      });
    }

    it('a file that is not there, and a folder', async () => {
      expect((await refused([join(folder, 'no.yaml'), join(folder, 'none.json')])).problems.map(({ message }) => message)).to.deep.equal([
        'there is no such file.',
        'there is no such file.',
      ]);
      expect((await refused(join(folder, 'x.json'))).problems[0]!.source).to.equal(join(folder, 'x.json'));
    });

    it('what is no configuration at all', async () => {
      for (const source of [5, undefined, null, new Map(), () => {}, new URL('https://example.com/a.yaml')])
        await loadConfig(source as unknown as ConfigSource, NOTHING).then(
          () => expect.fail('It was accepted'),
          (error: unknown) => expect(error).to.be.instanceOf(TypeError),
        );
    });
  });

  describe('secrets', () => {
    it('are in no message', async () => {
      const secret = 'hunter2-hunter2';
      const source = file(
        'secrets.yaml',
        'registry: { type: "${SECRET}!" }\nclients: { defaults: { headers: { authorization: 7, x-other: "${SECRET}" }, timeout: "${SECRET}" } }\nservices: { a: "http://user:hunter3@h:1" }\n',
      );
      const error = await refused(source, { env: { SECRET: secret, FERRULE_CLIENTS_A_HEADERS: '{"cookie":{"a":"hunter4-hunter4"}}' } });
      expect(error.problems.map(({ path, value }) => [path, value])).to.deep.include.members([
        ['clients.defaults.headers.authorization', 'a secret value'],
        ['clients.defaults.timeout', 'the value of SECRET'],
      ]);
      for (const text of [inspect(error, { depth: 9 }), JSON.stringify(error.problems)]) expect(text).not.to.match(/hunter/);
    });

    it('are not in what a configuration shows of itself, but in its values', async () => {
      const config = await loadConfig(
        file('shown.yaml', 'registry: { type: consul, token: s3cret-1, auth: { user: u, password: s3cret-2 }, address: "http://${HOST}:1" }\n'),
        { env: { HOST: 's3cret-3' } },
      );
      for (const text of [inspect(config, { depth: 9, showHidden: true }), JSON.stringify(config), inspect({ config }, { depth: 9 })]) {
        expect(text).not.to.contain('s3cret');
        expect(text).to.contain('consul');
      }
      expect(config.values.registry).to.deep.equal({
        type: 'consul',
        token: 's3cret-1',
        auth: { user: 'u', password: 's3cret-2' },
        address: 'http://s3cret-3:1',
      });
    });

    it('a service may be called auth', async () => {
      expect((await problemsOf({ clients: { auth: { timeout: 'soon' } } }))[0]!.value).to.equal('"soon"');
    });
  });
});

/** Nine levels of nine aliases each: 9^9 texts. */
function bomb(): string {
  const levels = 'abcdefghi'.split('');
  return `${levels
    .map(
      (name, index) =>
        `${name}: &${name} [${Array<string>(9)
          .fill(index === 0 ? 'lol' : `*${levels[index - 1]}`)
          .join(', ')}]`,
    )
    .join('\n')}\n`;
}
