import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { etcdRegistry } from '@ferrule/etcd';
import type { EtcdRegistryOptions } from '@ferrule/etcd';
import type { Instance, Logger } from '@ferrule/core';
import { expect } from 'chai';
import { base64, describeWithEtcd, etcdKeys, etcdSays, newEtcd } from '../support/etcd.js';
import type { EtcdServer } from '../support/etcd.js';
import { cert, key } from '../support/tls-fixture.js';
import { firstList, rejection, watching } from '../support/watching.js';

const INSTANCE: Instance = { id: 'orders-1', service: 'orders', host: '127.0.0.1', port: 8080 };
const SECRET = '5ec2e7-70ce9';

describeWithEtcd('etcdRegistry and an etcd that asks for a user', () => {
  let etcd: EtcdServer;
  let folder: string;
  const rootToken = async (): Promise<string> =>
    (await etcdSays<{ token: string }>(etcd, '/auth/authenticate', { name: 'root', password: 'r' })).token;
  const registry = (options: EtcdRegistryOptions = {}) => etcdRegistry({ endpoints: etcd.address, ...options });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ferrule-etcd-'));
    etcd = await newEtcd({ dataDirectory: folder });
    await etcd.start();
    const users: readonly (readonly [string, string, string | undefined])[] = [
      ['root', 'r', undefined],
      ['writer', SECRET, 'READWRITE'],
      ['reader', SECRET, 'READ'],
    ];
    await etcdSays(etcd, '/auth/role/add', { name: 'root' });
    for (const [name, password, permType] of users) {
      await etcdSays(etcd, '/auth/user/add', { name, password });
      if (permType !== undefined) {
        await etcdSays(etcd, '/auth/role/add', { name });
        const perm = { permType, key: base64('/ferrule/'), range_end: base64('/ferrule0') };
        await etcdSays(etcd, '/auth/role/grant', { name, perm });
      }
      await etcdSays(etcd, '/auth/user/grant', { user: name, role: name });
    }
    await etcdSays(etcd, '/auth/enable');
  });
  after(async () => {
    await etcd.kill();
    await rm(folder, { recursive: true, force: true });
  });

  it('registers, watches, reports and deregisters as a user, also after etcd has forgotten its token', async function () {
    this.timeout(60_000);
    await using one = registry({ username: 'writer', password: SECRET });
    await using other = registry({ username: 'reader', password: SECRET });
    const lists = watching(other, 'orders', { again: true });
    const registration = await one.register(INSTANCE);
    await lists.until((list) => list.length === 1);
    await etcd.kill('SIGKILL');
    await lists.lost;
    await etcd.start();
    await registration.report('warn').catch(() => {}); // the connection may not have heard of it yet; it is written then
    await lists.until((list) => list[0]?.status === 'warn');
    expect(await other.services()).to.deep.equal(['orders']);
    await registration.deregister();
    await lists.until((list) => list.length === 0);
    await lists.end();
    expect((await etcdKeys(etcd, '/', await rootToken())).size).to.equal(0);
  });

  it('notices that users were changed meanwhile', async () => {
    await using one = registry({ username: 'writer', password: SECRET });
    await one.register(INSTANCE);
    const token = await rootToken();
    await etcdSays(etcd, '/auth/user/add', { name: 'somebody', password: 'x' }, token);
    expect(await one.services()).to.deep.equal(['orders']);
    const lists = watching(one, 'orders');
    await lists.until((list) => list.length === 1);
    await etcdSays(etcd, '/auth/user/delete', { name: 'somebody' }, token);
    await one.register({ ...INSTANCE, id: 'orders-2' });
    await lists.until((list) => list.length === 2);
    await lists.end();
  });

  for (const [what, options, code, words] of [
    ['no user', {}, 'UNAUTHENTICATED', 'Give username and password'],
    ['a wrong password', { username: 'writer', password: `${SECRET}!` }, 'UNAUTHENTICATED', 'Look at username and password'],
    ['an unknown user', { username: 'nobody', password: SECRET }, 'UNAUTHENTICATED', 'Look at username and password'],
    ['too little allowed', { username: 'writer', password: SECRET, prefix: '/other/' }, 'PERMISSION_DENIED', 'role with readwrite'],
  ] as const) {
    it(`rejects at once with ${what}, and says what is missing`, async () => {
      await using one = registry(options);
      for (const error of [await rejection(one.services()), await rejection(one.register(INSTANCE)), await rejection(firstList(one, 'orders'))]) {
        expect(error).to.include({ code, retryable: false });
        expect((error as Error).message).to.include(words);
      }
    });
  }

  it('lets one who may read alone watch, and not register', async () => {
    await using one = registry({ username: 'reader', password: SECRET });
    expect(await firstList(one, 'orders')).to.deep.equal([]);
    expect(await rejection(one.register(INSTANCE))).to.include({ code: 'PERMISSION_DENIED', retryable: false });
  });

  it('shows the password in no error, no log line and no inspection', async () => {
    const lines: unknown[] = [];
    const note = (...line: unknown[]): void => void lines.push(line);
    const logger: Logger = { debug: note, info: note, warn: note, error: note };
    await using wrong = registry({ username: SECRET, password: SECRET, prefix: '/x/', logger });
    await using good = registry({ username: 'writer', password: SECRET, logger });
    await using denied = registry({ username: 'writer', password: SECRET, prefix: '/x/', logger });
    const errors: unknown[] = [];
    for (const one of [wrong, good, denied])
      errors.push(await rejection(one.services()), await rejection(one.register(INSTANCE)), await rejection(firstList(one, 'x')));
    expect(errors.filter((error) => error !== undefined)).to.have.length(6);
    for (const endpoints of [`http://${SECRET}@a`, `http://a:${SECRET}@b`])
      expect(() => etcdRegistry({ endpoints }))
        .to.throw(TypeError, /endpoints/)
        .and.property('message')
        .not.include(SECRET);
    expect(() => etcdRegistry({ password: SECRET }))
      .to.throw(TypeError, /username/)
      .and.property('message')
      .not.include(SECRET);
    const shown = [errors, lines, wrong, good, denied].map((one) => inspect(one, { depth: 20, showHidden: true })).join('\n');
    expect(shown).to.not.include(SECRET);
    expect(errors.map((error) => JSON.stringify(error) + String((error as Error | undefined)?.stack)).join('\n')).to.not.include(SECRET);
  });
});

describeWithEtcd('etcdRegistry over TLS', () => {
  it('speaks to a server with a certificate of a private authority, and to no other one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ferrule-etcd-'));
    await writeFile(join(folder, 'cert.pem'), cert);
    await writeFile(join(folder, 'key.pem'), key);
    const [plain, secure] = await freePorts(2);
    const etcd = await newEtcd({
      clientPort: plain!,
      args: [
        `--listen-client-urls=http://127.0.0.1:${plain},https://127.0.0.1:${secure}`,
        `--advertise-client-urls=http://127.0.0.1:${plain}`,
        `--cert-file=${join(folder, 'cert.pem')}`,
        `--key-file=${join(folder, 'key.pem')}`,
      ],
    });
    await etcd.start();
    try {
      const endpoints = `https://127.0.0.1:${secure}`;
      await using one = etcdRegistry({ endpoints, tls: { ca: cert, servername: 'users.test' } });
      const lists = watching(one, 'orders');
      await lists.until((list) => list.length === 0);
      await one.register(INSTANCE);
      await lists.until((list) => list.length === 1);
      await lists.end();
      await using without = etcdRegistry({ endpoints });
      expect(await rejection(without.services()))
        .to.include({ code: 'UNAVAILABLE' })
        .and.property('message')
        .match(/CERT|certificate/i);
      await using otherName = etcdRegistry({ endpoints, tls: { ca: cert, servername: 'orders.test' } });
      expect(await rejection(otherName.services()))
        .property('message')
        .include('ERR_TLS_CERT_ALTNAME_INVALID');
      await using noTls = etcdRegistry({ endpoints: endpoints.replace('https', 'http') });
      expect(await rejection(noTls.services())).to.include({ code: 'UNAVAILABLE' });
    } finally {
      await etcd.kill();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
