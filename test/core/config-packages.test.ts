import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { ConfigError, fileStore, fromConfig, loadConfig, memoryRegistry, silentLogger } from '@ferrule/core';
import type { ConfigSource, FromConfigOptions } from '@ferrule/core';

/** A registry in plain JavaScript that tells what it was made with, and when it is closed. */
const REGISTRY = `
  const made = (globalThis.ferruleMade ??= []);
  const MADE = (config) => {
    made.push({ config });
    return {
      name: 'made', register: async () => { throw new Error('no'); }, services: async () => [],
      async *watch(service, signal) { yield []; await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true })); },
      async [Symbol.asyncDispose]() { made.push('closed'); },
    };
  };`;
const STORE = `export const createSnapshotStore = (config) => ({ name: 'made', load: async () => undefined, save: async () => {}, async [Symbol.asyncDispose]() { (globalThis.ferruleMade ??= []).push('store closed'); } });`;

describe('fromConfig', () => {
  let folder: string;
  const made = ((globalThis as { ferruleMade?: unknown[] }).ferruleMade ??= []);

  function write(path: string, text: string): void {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  function install(name: string, files: Readonly<Record<string, string>>, manifest: object = {}): void {
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', type: 'module', exports: './index.js', ...manifest }));
    for (const [path, text] of Object.entries(files)) write(`node_modules/${name}/${path}`, text);
  }
  const opened = (config: unknown, options: FromConfigOptions = {}) =>
    fromConfig(config as ConfigSource, { env: {}, from: folder, logger: silentLogger, ...options });
  async function messagesOf(config: unknown, options: FromConfigOptions = {}): Promise<readonly string[]> {
    return (await errorOf(config, options)).problems.map(({ message }) => message.replaceAll(folder, '<app>'));
  }
  async function errorOf(config: unknown, options: FromConfigOptions = {}): Promise<ConfigError> {
    try {
      await (await opened(config, options))[Symbol.asyncDispose]();
    } catch (error) {
      if (error instanceof ConfigError) return error;
      throw error;
    }
    throw new Error('It was accepted');
  }

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'ferrule-packages-'));
    install('@ferrule/mine', { 'index.js': `${REGISTRY} export const createRegistry = MADE;` });
    install('@acme/places', { 'index.js': `${REGISTRY} export const createRegistry = MADE;` });
    install('zoo-registry', { 'main.cjs': `${REGISTRY} exports.createRegistry = MADE;` }, { type: 'commonjs', exports: undefined, main: 'main.cjs' });
    install(
      'import-registry',
      { 'lib/i.js': `${REGISTRY} export const createRegistry = MADE;` },
      { exports: { '.': { types: './x.d.ts', import: { default: './lib/i.js' } } } },
    );
    install('async-registry', { 'index.js': `${REGISTRY} export const createRegistry = async (config) => MADE(config);` });
    install('empty-registry', { 'index.js': `export const registry = 1;` });
    install('broken-registry', { 'index.js': `import 'not-there-at-all'; export const createRegistry = 1;` });
    install('gone-registry', {});
    install('picky-registry', {
      'index.js': `export const createRegistry = ({ address, token }) => { throw new TypeError(\`pickyRegistry address: "\${address}" does not fit with \${token}.\`); };`,
    });
    install('poor-registry', { 'index.js': `export const createRegistry = () => ({ watch() {} });` });
    install('@ferrule/keep', { 'index.js': STORE });
    write('local/registry.js', `${REGISTRY} export const createRegistry = MADE;`);
    write('package.json', '{"type":"module"}');
  });
  after(() => rmSync(folder, { recursive: true }));
  beforeEach(() => void made.splice(0));

  for (const type of ['mine', '@ferrule/mine', '@acme/places', 'zoo-registry', 'import-registry', 'async-registry', './local/registry.js']) {
    it(`loads ${type}, hands it what stands beside the type, and closes what it made`, async () => {
      const parts = await opened({ registry: { type, address: 'a:1', deep: { list: [1, null] } } });
      expect(parts.registry?.name).to.equal('made');
      expect(made).to.deep.equal([{ config: { address: 'a:1', deep: { list: [1, null] } } }]);
      await parts[Symbol.asyncDispose]();
      expect(made.at(-1)).to.equal('closed');
    });
  }

  it('finds a path beside the file that names it, and none that the environment names', async () => {
    write('local/app.json', '{"registry":"./registry.js"}');
    await using parts = await opened(join(folder, 'local/app.json'));
    expect(parts.registry?.name).to.equal('made');
    expect(await messagesOf({}, { env: { FERRULE_REGISTRY: './local/registry.js' } })).to.deep.equal([
      'registry: "./local/registry.js" is a path, which the environment may not give. Give a type or the name of a package.',
    ]);
    // However deep it stands in what a variable says.
    for (const [name, text] of [
      ['FERRULE_REGISTRY', '{"type":"./local/registry.js"}'],
      ['FERRULE_DISCOVERY', '{"store":"./local/registry.js"}'],
      ['FERRULE_DISCOVERY', '{"store":{"type":"./local/registry.js"}}'],
    ] as const) {
      const [message] = await messagesOf({ registry: 'memory' }, { env: { [name]: text } });
      expect(message, text).to.include('is a path, which the environment may not give');
    }
  });

  it('loads stores likewise', async () => {
    const parts = await opened({ registry: 'mine', discovery: { store: 'keep', staleFor: '1m' } });
    expect(parts.directory?.stats().levels.store).not.to.equal(undefined);
    await parts[Symbol.asyncDispose]();
    expect(made.slice(1)).to.deep.equal(['store closed', 'closed']);
  });

  it('says how to install what is missing, for all of it at once, and closes what it had opened', async () => {
    expect(await messagesOf({ registry: 'consl', discovery: { store: { type: '@acme/store' } } })).to.deep.equal([
      'registry: "consl" needs the package @ferrule/consl, which is not installed where <app> would find it. Did you mean consul? Install it: npm install @ferrule/consl. Without a package there are memory, file, static.',
      'discovery.store.type: "@acme/store" needs the package @acme/store, which is not installed where <app> would find it. Install it: npm install @acme/store. Without a package there is file.',
    ]);
    expect(await messagesOf({ registry: 'mine', discovery: { store: 'rediss' } })).to.have.length(1);
    expect(made.at(-1)).to.equal('closed');
  });

  it('tells a package without the export, one that fails while it loads, one without an entry, and one that makes something else', async () => {
    expect(await messagesOf({ registry: 'empty-registry' })).to.deep.equal([
      'registry: "empty-registry" cannot be used: the package empty-registry exports no function createRegistry. Give a package that exports createRegistry(config).',
    ]);
    const broken = await errorOf({ registry: 'broken-registry' });
    expect(broken.message).to.contain('failed while it was loaded').and.to.contain('not-there-at-all');
    expect(broken.cause).to.have.property('code', 'ERR_MODULE_NOT_FOUND');
    expect((await messagesOf({ registry: 'gone-registry' }))[0]).to.match(/has no entry|failed while it was loaded/);
    expect((await messagesOf({ registry: 'poor-registry' }))[0]).to.contain('its createRegistry() gave { watch }, which has no register()');
  });

  it('tells what a package refuses, without the secrets in it', async () => {
    const error = await errorOf({ registry: { type: 'picky-registry', address: 'nowhere', token: 's3cret-token' } });
    expect(error.problems[0]!.message).to.equal('registry: pickyRegistry address: "nowhere" does not fit with [redacted].');
    expect(inspect(error, { depth: 9 })).not.to.contain('s3cret');
    expect(error.cause).to.be.instanceOf(Error).with.property('stack').that.contains('picky-registry');
  });

  it('says what the mode first lacks', async () => {
    expect(await messagesOf({ direct: { mode: 'first', services: { a: 'a:1' } } })).to.deep.equal([
      'direct.mode: "first" has no registry to go to second. Give registry, or the mode \'only\'.',
    ]);
  });

  it('takes a registry and a store from code before those of the configuration, and leaves them open', async () => {
    await using mine = memoryRegistry();
    await using store = fileStore({ directory: join(folder, 'lists') });
    const parts = await opened({ registry: 'not-installed-registry', discovery: { store: 'neither' } }, { registry: mine, store });
    expect(parts.registry).to.equal(mine);
    await parts[Symbol.asyncDispose]();
    expect(await mine.services()).to.deep.equal([]);
  });

  it('takes what loadConfig has made, and nothing else that looks like it', async () => {
    const config = await loadConfig({ registry: 'mine' }, { env: {}, from: folder });
    await using parts = await fromConfig(config, { logger: silentLogger });
    expect(parts.registry?.name).to.equal('made');
    expect(await messagesOf({ files: [], values: {} })).to.have.length(2);
  });
});
