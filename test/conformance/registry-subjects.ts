import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { consulRegistry } from '@ferrule/consul';
import { fileRegistry, memoryRegistry, staticRegistry } from '@ferrule/core';
import type { Registry } from '@ferrule/core';
import { etcdRegistry } from '@ferrule/etcd';
import { tcpProxy } from '@ferrule/testing';
import type { OpenRegistry, RegistrySubject, TcpProxy } from '@ferrule/testing';
import { agentSays, newAgent, wipe } from '../support/consul.js';
import { base64, etcdSays, newEtcd, wipeEtcd } from '../support/etcd.js';
import type { ServerProcess } from '../support/real-server.js';

const oneView = (name: string, make: () => Registry): RegistrySubject => ({
  name,
  oneView: true,
  async open() {
    const registry = make();
    return { first: registry, second: registry };
  },
});

export const memorySubject: RegistrySubject = oneView('memory', memoryRegistry);
export const staticSubject: RegistrySubject = oneView('static', staticRegistry);

const WAITING_HEALS_NOTHING = 'a directory that cannot be used is nothing that waiting heals: register rejects at once';

interface OpenDirectory extends OpenRegistry {
  readonly directory: string;
  /** Puts what this path leads to in the place where the directory is looked for, at one stroke. */
  lead(to: string): Promise<void>;
  readonly real: string;
}

/** Its outage is a plain file where the directory's parent was. */
export const fileSubject: RegistrySubject = {
  name: 'file',
  skips: {
    'registers as soon as the backend is back': WAITING_HEALS_NOTHING,
    'gives up registering while the backend is away when the signal aborts, and leaves nothing': WAITING_HEALS_NOTHING,
  },
  async open(): Promise<OpenDirectory> {
    const parent = await mkdtemp(join(tmpdir(), 'ferrule-test-'));
    const [real, way, next] = ['real', 'way', 'next'].map((name) => join(parent, name)) as [string, string, string];
    const lead = async (to: string): Promise<void> => {
      await symlink(to, next);
      await rename(next, way);
    };
    await mkdir(real);
    await lead(real);
    const directory = join(way, 'registry');
    const options = { directory, heartbeat: 100, poll: 50 };
    return {
      first: fileRegistry(options),
      second: fileRegistry(options),
      directory,
      lead,
      real,
      close: () => rm(parent, { recursive: true, force: true }),
    };
  },
  async corrupt(open, service) {
    const { directory } = open as OpenDirectory;
    const wrong = {
      ferrule: 1,
      token: 'x',
      since: 1,
      expireAfterMs: 1e9,
      owner: { scope: 'x', pid: 1 },
      instance: { id: 'c', service, host: 'a', port: -1 },
    };
    for (const [id, text] of Object.entries({ a: '', b: 'nonsense', c: JSON.stringify(wrong), d: '{"ferrule":2}', 'e%': '\0'.repeat(100) }))
      await writeFile(join(directory, `${service}@${id}.json`), text);
    await mkdir(join(directory, `${service}@folder.json`));
  },
  async outage(open, knowledge) {
    const { lead, real } = open as OpenDirectory;
    const nowhere = `${real}-nowhere`;
    await writeFile(nowhere, '');
    await lead(nowhere);
    if (knowledge === 'forgotten') await rm(join(real, 'registry'), { recursive: true });
    return () => lead(real);
  },
};

/** A registry whose server the cases share, and kill. */
export interface ServerSubject extends RegistrySubject {
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface Backend {
  readonly name: string;
  start(): Promise<ServerProcess & { readonly address: string }>;
  registry(origin: string): Registry;
  wipe(address: string): Promise<void>;
  corrupt(address: string, service: string): Promise<void>;
}

/** Its outages: connections that are reset (all is kept), and SIGKILL of a server that keeps nothing (all is forgotten). */
function serverSubject(backend: Backend): ServerSubject {
  let server: Awaited<ReturnType<Backend['start']>>;
  let proxy: TcpProxy;
  let back = async (): Promise<void> => {};
  return {
    name: backend.name,
    async start() {
      server = await backend.start();
      await server.start();
      const { hostname, port } = new URL(server.address);
      proxy = await tcpProxy({ host: hostname, port: Number(port) });
    },
    async stop() {
      await proxy.close();
      await server.stop();
    },
    async open() {
      await back();
      await backend.wipe(server.address);
      return { first: backend.registry(proxy.origin), second: backend.registry(proxy.origin) };
    },
    corrupt: (_open, service) => backend.corrupt(server.address, service),
    async outage(_open, knowledge) {
      let away = true;
      if (knowledge === 'forgotten') await server.kill();
      proxy.refuse(true);
      proxy.cut();
      back = async () => {
        if (!away) return;
        away = false;
        if (knowledge === 'forgotten') await server.start();
        proxy.refuse(false);
      };
      return back;
    },
  };
}

export const consulSubject: ServerSubject = serverSubject({
  name: 'consul',
  start: () => newAgent(),
  registry: (address) => consulRegistry({ address }),
  wipe: (address) => wipe({ address }),
  async corrupt(address, service) {
    const bodies = [
      { ID: 'no-port', Name: service, Address: '127.0.0.1' },
      { ID: 'no-name', Name: service, Address: '127.0.0.1', Port: 1, Meta: { 'ferrule-owner': 'x', 'ferrule-id': 'a b' } },
      { ID: 'no-weight', Name: service, Address: '127.0.0.1', Port: 1, Meta: { 'ferrule-owner': 'x', 'ferrule-id': 'c', 'ferrule-weight': '-5' } },
      { ID: 'no-host', Name: service, Address: 'http://a/b', Port: 1 },
    ];
    for (const body of bodies) await agentSays({ address }, '/agent/service/register', 'PUT', body);
  },
});

export const etcdSubject: ServerSubject = serverSubject({
  name: 'etcd',
  start: () => newEtcd(),
  registry: (endpoints) => etcdRegistry({ endpoints }),
  wipe: (address) => wipeEtcd({ address }),
  async corrupt(address, service) {
    const wrong = (id: string, change: object): string =>
      JSON.stringify({ ferrule: 1, owner: 'x', instance: { id, service, host: 'a', port: 1, ...change } });
    const values = {
      a: '',
      b: 'nonsense',
      c: wrong('c', { port: -1 }),
      d: wrong('another', {}),
      e: '{"ferrule":2}',
      f: wrong('f', { weight: 'much' }),
      g: '\0',
    };
    for (const [id, value] of Object.entries(values))
      await etcdSays({ address }, '/kv/put', { key: base64(`/ferrule/${service}/${id}`), value: base64(value) });
  },
});
