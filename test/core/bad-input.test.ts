import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  Reply,
  client,
  createDirectory,
  createSelector,
  createService,
  ejector,
  fileRegistry,
  get,
  httpTransport,
  isServiceError,
  jsonLogger,
  leastPending,
  memoryRegistry,
  observeAttempt,
  observeCall,
  observeInbound,
  p2c,
  peakEwma,
  random,
  relativeLatency,
  retry,
  roundRobin,
  serviceFetch,
  staticRegistry,
  weighted,
} from '@ferrule/core';
import { rendered, toMs } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';
import { bareServers } from './server-fixture.js';

/** What somebody wrote, what is told, and what would have been right. Each row is told in one message. */
type Row = readonly [call: string, run: () => unknown, message: RegExp];

const registry = memoryRegistry();
const directory = createDirectory({ discovery: registry });
const transport = httpTransport();
const given = { registry, transport };
/** Options as JavaScript hands them over, whatever the types say. */
const wrong = (value: unknown): never => value as never;

describe('bad input', () => {
  after(async () => {
    await directory[Symbol.asyncDispose]();
    await transport[Symbol.asyncDispose]();
  });

  describe('is refused at construction, with option, value and remedy', () => {
    const rows: readonly Row[] = [
      // client
      [
        "client('orders', { timout })",
        () => client('orders', wrong({ ...given, timout: 5 })),
        /^client "orders": there is no option "timout". Did you mean timeout\?/,
      ],
      ["client('orders', 5)", () => client('orders', wrong(5)), /^client "orders": 5 is no options object. It takes { registry, directory,/],
      ["client('orders', registry)", () => client('orders', wrong(registry)), /^client "orders": there is no option "name". It takes registry,/],
      [
        'client(undefined)',
        () => client(wrong(undefined)),
        /^client: undefined is no target. Give a service's name, such as 'orders', or an address/,
      ],
      ["client('orders')", () => client('orders'), /^client "orders": a service's name needs a registry or a directory/],
      [
        "client({ registry: 'file' })",
        () => client('orders', wrong({ registry: 'file' })),
        /^client "orders" registry: "file" has no watch\(\). Give a registry, for example fileRegistry\(\)/,
      ],
      [
        'client({ registry: fileRegistry })',
        () => client('orders', wrong({ registry: fileRegistry })),
        /registry: the function fileRegistry has no watch\(\). Give a registry/,
      ],
      [
        'client({ directory: {} })',
        () => client('orders', wrong({ directory: {} })),
        /directory: {} has no lookup\(\). Give what createDirectory\(\) made/,
      ],
      [
        'client({ transport: {} })',
        () => client('orders', wrong({ registry, transport: {} })),
        /transport: {} has no handle\(\). Give what httpTransport\(\) made/,
      ],
      [
        'client({ clock: {} })',
        () => client('orders', wrong({ ...given, clock: {} })),
        /clock: {} has no now\(\). Give a Clock, with now\(\), wallTime\(\) and schedule\(\)/,
      ],
      [
        'client({ logger: {} })',
        () => client('orders', wrong({ ...given, logger: {} })),
        /logger: {} has no debug\(\). Give a Logger, with debug\(\), info\(\), warn\(\) and error\(\)/,
      ],
      ['client({ logger: console.log })', () => client('orders', wrong({ ...given, logger: wrong })), /logger: the function wrong has no debug\(\)/],
      [
        'client({ random: 5 })',
        () => client('orders', wrong({ ...given, random: 5 })),
        /random: 5 is no function. Give one that returns numbers from 0 to below 1/,
      ],
      ["client({ timeout: 'abc' })", () => client('orders', { ...given, timeout: 'abc' }), /timeout: "abc" is no duration. Give milliseconds/],
      ['client({ attemptTimeout: NaN })', () => client('orders', { ...given, attemptTimeout: NaN }), /attemptTimeout: NaN is no duration/],
      [
        'client({ retry: 3 })',
        () => client('orders', wrong({ ...given, retry: 3 })),
        /^retry: 3 does not fit. Give its options, such as { retries: 2 }, or true or false/,
      ],
      [
        'client({ retry: { retires: 3 } })',
        () => client('orders', wrong({ ...given, retry: { retires: 3 } })),
        /^retry: there is no option "retires". Did you mean retries\?/,
      ],
      [
        'client({ circuitBreaker: 5 })',
        () => client('orders', wrong({ ...given, circuitBreaker: 5 })),
        /^circuitBreaker: 5 does not fit. Give its options/,
      ],
      [
        'client({ rateLimit: 5 })',
        () => client('orders', wrong({ ...given, rateLimit: 5 })),
        /^rateLimit: 5 does not fit. Give its options, such as { limit: 100/,
      ],
      [
        "client({ bulkhead: '5' })",
        () => client('orders', wrong({ ...given, bulkhead: '5' })),
        /^bulkhead: "5" does not fit. Give a number of calls/,
      ],
      ['client({ fallback: [] })', () => client('orders', wrong({ ...given, fallback: [] })), /^fallback: \[\] is no Reply. Give new Reply/],
      ['client({ errors: [5] })', () => client('orders', wrong({ ...given, errors: [5] })), /^errors: 5 is no error mapper. Give/],
      ['client({ errors: {} })', () => client('orders', wrong({ ...given, errors: {} })), /^errors: {} is no list. Give an array of error mappers/],
      [
        'client({ wrappers: retry() })',
        () => client('orders', wrong({ ...given, wrappers: retry() })),
        /^wrappers: .* is no list. Give an array of wrappers/,
      ],
      [
        'client({ telemetry: { sapn } })',
        () => client('orders', wrong({ ...given, telemetry: { sapn: true } })),
        /^telemetry: there is no option "sapn". Did you mean span\?/,
      ],
      [
        'client({ balancer: p2c })',
        () => client('orders', wrong({ ...given, balancer: p2c })),
        /balancer: the function p2c has no pick\(\). Give a balancer such as p2c\(\)/,
      ],
      [
        'client({ ejector: { base } })',
        () => client('orders', wrong({ ...given, ejector: { base: '1s' } })),
        /ejector: { base } is none. Give what ejector\({ … }\) made, or false/,
      ],
      ['client({ filters: filter })', () => client('orders', wrong({ ...given, filters: {} })), /filters: {} is no list. Give an array of filters/],
      [
        'client({ filters: [undefined] })',
        () => client('orders', wrong({ ...given, filters: [undefined] })),
        /filters: null has no keep\(\). Give objects/,
      ],
      [
        'client({ headers: new Headers() })',
        () => client('orders', wrong({ ...given, headers: new Headers() })),
        /^client headers: a Headers is no plain object. Give one/,
      ],
      ['client({ headers: { x: 5 } })', () => client('orders', wrong({ ...given, headers: { x: 5 } })), /^header 'x': 5 is no text. Give a string/],
      // fetch, transport
      ['serviceFetch()', () => serviceFetch(wrong(undefined)), /^serviceFetch: undefined is no options object. It takes { registry/],
      [
        'serviceFetch({ servics })',
        () => serviceFetch(wrong({ ...given, servics: [] })),
        /^serviceFetch: there is no option "servics". Did you mean services\?/,
      ],
      [
        "serviceFetch({ services: 'a' })",
        () => serviceFetch(wrong({ ...given, services: 'a' })),
        /^serviceFetch services: "a" is no list. Give an array of host names/,
      ],
      ['serviceFetch({ fetch: 5 })', () => serviceFetch(wrong({ ...given, fetch: 5 })), /^serviceFetch fetch: 5 is no function/],
      ['serviceFetch({ retry: 3 })', () => serviceFetch(wrong({ ...given, retry: 3 })), /^retry: 3 does not fit/],
      ['httpTransport({ foo })', () => httpTransport(wrong({ foo: 1 })), /^httpTransport: there is no option "foo". It takes connectTimeout,/],
      [
        "httpTransport({ connections: '5' })",
        () => httpTransport(wrong({ connections: '5' })),
        /^httpTransport connections: "5" does not fit. Give a whole number/,
      ],
      // registry, discovery, selection
      ["fileRegistry('/dir')", () => fileRegistry(wrong('/dir')), /^fileRegistry: "\/dir" is no options object. It takes { directory,/],
      ['fileRegistry({ path })', () => fileRegistry(wrong({ path: '/dir' })), /^fileRegistry: there is no option "path". It takes directory,/],
      [
        'fileRegistry({ directory: 5 })',
        () => fileRegistry(wrong({ directory: 5 })),
        /^fileRegistry directory: 5 is no path. Give the path of a directory/,
      ],
      ["fileRegistry({ directory: '' })", () => fileRegistry({ directory: '' }), /^fileRegistry directory: "" is no path/],
      ['fileRegistry({ heartbeat: Infinity })', () => fileRegistry({ heartbeat: Infinity }), /^fileRegistry heartbeat: Infinity is no duration/],
      ['staticRegistry(new Map())', () => staticRegistry(wrong(new Map())), /^staticRegistry: a Map is no plain object. Give one/],
      [
        'staticRegistry({ wieght })',
        () => staticRegistry(wrong({ a: { host: 'h', port: 1, wieght: 2 } })),
        /^Service "a", address: there is no option "wieght". Did you mean weight\?/,
      ],
      [
        'staticRegistry({ a: null })',
        () => staticRegistry(wrong({ a: null })),
        /^Service "a": the address null is no address. Give 'http:\/\/host:port'/,
      ],
      [
        'staticRegistry({ a: { port } })',
        () => staticRegistry(wrong({ a: { port: 1 } })),
        /^Service "a": the address { port } does not fit: instance.host: undefined does not fit. Give a host name/,
      ],
      ['createDirectory()', () => createDirectory(wrong(undefined)), /^createDirectory: undefined is no options object. It takes { discovery,/],
      ['createDirectory({})', () => createDirectory(wrong({})), /^createDirectory discovery: it is missing. Give a registry/],
      [
        "createDirectory({ discovery: 'file' })",
        () => createDirectory(wrong({ discovery: 'file' })),
        /^createDirectory discovery: "file" has no watch\(\). Give a registry/,
      ],
      [
        'createDirectory({ reconnect: { bsae } })',
        () => createDirectory(wrong({ discovery: registry, reconnect: { bsae: 1 } })),
        /^createDirectory reconnect: there is no option "bsae". Did you mean base\?/,
      ],
      [
        'createDirectory({ accept: true })',
        () => createDirectory(wrong({ discovery: registry, accept: true })),
        /^createDirectory accept: true is no function/,
      ],
      ['createSelector()', () => createSelector(wrong(undefined)), /^createSelector: undefined is no options object. It takes { service,/],
      [
        'createSelector({ balancr })',
        () => createSelector(wrong({ service: 'a', directory, balancr: 1 })),
        /^createSelector: there is no option "balancr". Did you mean balancer\?/,
      ],
      // balancing
      ['weighted(5)', () => weighted(wrong(5)), /^weighted: 5 is no options object. It takes {/],
      ['roundRobin({ rnadom })', () => roundRobin(wrong({ rnadom: 1 })), /^roundRobin: there is no option "rnadom". Did you mean random\?/],
      ['random(Math.random)', () => random(wrong(Math.random)), /^random: the function random is no options object. It takes { random }/],
      ['p2c({ random: 5 })', () => p2c(wrong({ random: 5 })), /^p2c random: 5 is no function. Give one that returns numbers/],
      [
        'p2c({ load: peakEwma })',
        () => p2c(wrong({ load: peakEwma })),
        /^p2c load: the function peakEwma has no fleet\(\). Give relativeLatency\(\)/,
      ],
      ["peakEwma('5s')", () => peakEwma(wrong('5s')), /^peakEwma: "5s" is no options object. It takes { decay }/],
      [
        'relativeLatency({ decay })',
        () => relativeLatency(wrong({ decay: '5s' })),
        /^relativeLatency: there is no option "decay". It takes smoothing, idleDecay, errorDecay/,
      ],
      ["leastPending('open')", () => leastPending(wrong('open')), /^leastPending: "open" is no options object. It takes { count }/],
      ['leastPending({ count: 5n })', () => leastPending(wrong({ count: 5n })), /^leastPending count: 5n is unknown. Use 'waiting' or 'open'/],
      ['ejector({ foo })', () => ejector(wrong({ foo: 1 })), /^ejector: there is no option "foo". It takes consecutive,/],
      ['ejector({ jitter: 20 })', () => ejector({ jitter: 20 }), /^ejector jitter: 20 is no ratio. Give a number from 0 to 1/],
      // telemetry, logging, time
      ['observeCall({ x })', () => observeCall(wrong({ x: 1 })), /^observeCall: there is no option "x". It takes tracerProvider,/],
      ["observeCall({ span: 'yes' })", () => observeCall(wrong({ span: 'yes' })), /^observeCall span: "yes" is neither true nor false/],
      [
        'observeAttempt({ byInstances })',
        () => observeAttempt(wrong({ byInstances: true })),
        /there is no option "byInstances". Did you mean byInstance\?/,
      ],
      [
        'observeInbound({ meterProvider: {} })',
        () => observeInbound(wrong({ meterProvider: {} })),
        /^observeInbound meterProvider: {} has no getMeter\(\). Give a MeterProvider/,
      ],
      [
        'observeInbound(next)',
        () => observeInbound(wrong(() => Promise.resolve())),
        /^observeInbound: a function is no options object.* write observeInbound\(\)/,
      ],
      ['jsonLogger({ levle })', () => jsonLogger(wrong({ levle: 'info' })), /^jsonLogger: there is no option "levle". Did you mean level\?/],
      [
        "jsonLogger({ redact: 'iban' })",
        () => jsonLogger(wrong({ redact: 'iban' })),
        /^jsonLogger redact: "iban" is no list. Give an array of names/,
      ],
      ["toMs(Infinity, 'limit')", () => toMs(Infinity, 'limit'), /^limit: Infinity is no duration. Give milliseconds/],
      ["toMs({}, 'limit')", () => toMs(wrong({ ms: 5 }), 'limit'), /^limit: { ms } is no duration/],
      // what clients of a service start from
      [
        'createService({ clients: { foo } })',
        () => createService(wrong({ ...service, clients: { foo: 1 } })),
        /^createService clients: there is no option "foo"/,
      ],
      [
        "createService({ clients: { timeout: 'abc' } })",
        () => createService(wrong({ ...service, clients: { timeout: 'abc' } })),
        /timeout: "abc" is no duration/,
      ],
    ];
    const nothing = (): void => {};
    const adapter = { name: 'none', mount: nothing, attach: nothing, listen: nothing, close: nothing, startDraining: nothing };
    const service = { name: 'shop', adapter, signals: false };

    for (const [call, run, message] of rows) it(call, () => expect(run).to.throw(Error, message));
  });

  describe('of a request rejects, and nothing is sent', () => {
    const sent: string[] = [];
    const recording = {
      name: 'recording',
      handle: async (call: { readonly label: string }) => (sent.push(call.label), new Reply(200)),
      forget: () => {},
      [Symbol.asyncDispose]: async () => {},
    };
    const orders = client('http://127.0.0.1:1', { transport: recording });
    const rows: readonly (readonly [call: string, run: () => Promise<unknown>, message: RegExp])[] = [
      [
        "post('/x', { name: 'Ada' })",
        () => orders.post('/x', wrong({ name: 'Ada' })),
        /^request POST \/x: there is no option "name". .*What is to be sent belongs into body/,
      ],
      ["get('/x', { parms })", () => orders.get('/x', wrong({ parms: {} })), /there is no option "parms". Did you mean params\?/],
      ["post('/x', 'text')", () => orders.post('/x', wrong('text')), /^request POST \/x: "text" is no options object. .*belongs into body/],
      ["get('/x', null)", () => orders.get('/x', wrong(null)), /^request GET \/x: null is no options object/],
      [
        "get('/x', { signal: controller })",
        () => orders.get('/x', wrong({ signal: new AbortController() })),
        /^request signal: an AbortController has no addEventListener\(\). Give the signal of/,
      ],
      ["get('/x', { timeout: Infinity })", () => orders.get('/x', { timeout: Infinity }), /^request timeout: Infinity is no duration/],
      [
        "get('/x', { query: new URLSearchParams() })",
        () => orders.get('/x', wrong({ query: new URLSearchParams('a=1') })),
        /^request query: an URLSearchParams is no plain object/,
      ],
      [
        "get('/x/:id', { params: new Map() })",
        () => orders.get('/x/:id', wrong({ params: new Map([['id', '1']]) })),
        /^request params: a Map is no plain object/,
      ],
      [
        "get('/x', { headers: new Headers() })",
        () => orders.get('/x', wrong({ headers: new Headers() })),
        /^request headers: a Headers is no plain object/,
      ],
      ["request('', '/x')", () => orders.request('', '/x'), /^request method: "" does not fit/],
      [
        'body: new FormData()',
        () => orders.post('/x', { body: new FormData() }),
        /^Body: a FormData would be sent as {}, without what it holds. Give text fields as new URLSearchParams/,
      ],
      [
        'body: new Blob()',
        () => orders.post('/x', { body: new Blob(['x']) }),
        /^Body: a Blob would be sent as {}.* Give its bytes, await blob.arrayBuffer\(\)/,
      ],
      ['body: new Map()', () => orders.post('/x', { body: new Map([[1, 2]]) }), /^Body: a Map would be sent as {}.* Give Object.fromEntries\(map\)/],
      ['body: new Set()', () => orders.post('/x', { body: new Set([1]) }), /^Body: a Set would be sent as {}.* Give an array/],
      ['body: a promise', () => orders.post('/x', { body: Promise.resolve(1) }), /^Body: a Promise would be sent as {}.* await it/],
      ['body: an error', () => orders.post('/x', { body: new Error('no') }), /^Body: an Error would be sent as {}/],
      ['body: a generator', () => orders.post('/x', { body: [1].values() }), /^Body: an Array Iterator would be sent as {}.* Readable.from\(it\)/],
    ];

    for (const [call, run, message] of rows) {
      it(call, async () => {
        const error: unknown = await run().then(
          () => undefined,
          (failure: unknown) => failure,
        );
        expect(error).to.be.instanceOf(TypeError);
        expect((error as Error).message).to.match(message);
        expect(sent).to.deep.equal([]);
      });
    }

    it("a header that is no text, with the header's name", async () => {
      const error: unknown = await client('http://127.0.0.1:1', { transport })
        .get('/x', wrong({ headers: { 'x-count': 5 } }))
        .catch((failure: unknown) => failure);
      expect(error).to.be.instanceOf(TypeError);
      expect((error as Error).message).to.match(/^header 'x-count': 5 is no text. Give a string/);
    });

    it('while an empty plain object, one without a prototype and one that says its own JSON are bodies', async () => {
      for (const body of [{}, Object.create(null) as object, new (class Empty {})(), { toJSON: () => ({}) }]) await orders.post('/x', { body });
      expect(sent.splice(0)).to.have.length(4);
    });
  });

  describe('of a handler fails the request in place of an empty object', () => {
    const rows: readonly (readonly [result: string, body: unknown, message: RegExp])[] = [
      ['a Response', new Response('x'), /^The reply's body: a Response would be sent as {}.* Give what it holds, such as await response.json\(\)/],
      ['a Blob', new Blob(['x']), /^The reply's body: a Blob would be sent as {}/],
      ['a Map', new Map(), /^The reply's body: a Map would be sent as {}.* Give Object.fromEntries\(map\)/],
      ['a generator', [1].values(), /^The reply's body: an Array Iterator would be sent as {}/],
      ['a function', () => 1, /^A function cannot be sent as JSON/],
    ];
    const { serve, close } = bareServers();
    after(close);

    for (const [result, body, message] of rows) {
      it(result, async () => {
        let error: unknown;
        const hears = { toReply: (thrown: unknown) => void (error = thrown) };
        const { ask } = await serve([get('/', () => body)], { errors: [hears] });
        expect(await ask('GET', '/')).to.include({ status: 500 });
        expect(error).to.be.instanceOf(TypeError);
        expect((error as Error).message).to.match(message);
      });
    }

    it('while bytes in any view are sent as bytes', () => {
      const bytes = new Uint8Array([1, 2, 3, 4]);
      for (const body of [bytes, bytes.buffer, new DataView(bytes.buffer), new Int16Array(bytes.buffer)]) {
        const reply = rendered(new Reply(200, body));
        expect(reply.head).to.deep.include({ 'content-type': 'application/octet-stream', 'content-length': 4 });
        expect(reply.payload).to.deep.equal(bytes);
      }
    });
  });

  describe('of a signal rejects', () => {
    const controller = wrong(new AbortController());
    const instance = { id: 'a', service: 'shop', host: '127.0.0.1', port: 1 };
    const rows: readonly (readonly [call: string, run: () => Promise<unknown>, message: RegExp])[] = [
      [
        'memoryRegistry().register',
        () => memoryRegistry().register(instance, { signal: controller }),
        /^memory registry register signal: an AbortController/,
      ],
      [
        'fileRegistry().register',
        () => fileRegistry().register(instance, { signal: controller }),
        /^fileRegistry register signal: an AbortController/,
      ],
      ['directory.ready', () => directory.ready('shop', controller), /^directory.ready signal: an AbortController has no addEventListener/],
      [
        'serviceFetch',
        () => serviceFetch(given)('http://shop/', { signal: controller }),
        /^fetch signal: an AbortController has no addEventListener/,
      ],
    ];
    for (const [call, run, message] of rows) {
      it(call, async () => {
        const error: unknown = await run().catch((failure: unknown) => failure);
        expect(error).to.be.instanceOf(TypeError);
        expect((error as Error).message).to.match(message);
      });
    }
  });

  describe('fileRegistry where it cannot write', () => {
    const instance = { id: 'a', service: 'shop', host: '127.0.0.1', port: 1 };

    it('makes the directory with its parents', async () => {
      const root = await mkdtemp(join(tmpdir(), 'ferrule-bad-input-'));
      const files = fileRegistry({ directory: join(root, 'a', 'b') });
      try {
        await files.register(instance);
        expect(await files.services()).to.deep.equal(['shop']);
      } finally {
        await files[Symbol.asyncDispose]();
        await rm(root, { recursive: true });
      }
    });

    for (const directory of ['/proc/nope', '/proc/nope/deeper', '/dev/null/x']) {
      it(`says FAILED_PRECONDITION at once for ${directory}`, async () => {
        const files = fileRegistry({ directory, clock: manualClock() }); // a retry would wait for ever
        const error: unknown = await files.register(instance).catch((failure: unknown) => failure);
        await files[Symbol.asyncDispose]();
        expect(isServiceError(error) && error.code).to.equal('FAILED_PRECONDITION');
        expect((error as Error).message).to.include(directory);
      });
    }
  });
});
