// A process that watches many services of one Consul, and calls one of them all the time; started by consul-fleet.ts.
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { client, createDirectory } from '@ferrule/core';
import { consulRegistry } from '@ferrule/consul';
import { now } from './consul-fleet.js';
import type { FromWatcher, ToWatcher } from './consul-fleet.js';

/** Between two calls. */
const PAUSE_MS = 20;

const [address = '', count = '0'] = process.argv.slice(2);
const port = Number(new URL(address).port);
const services = Array.from({ length: Number(count) }, (_, index) => `svc-${index}`);
const counts = { attempts: 0, errors: 0, calls: 0, failed: 0, sockets: 0 };
let open = 0;
let away = false;

const say = (message: FromWatcher): void => void process.send!(message);

subscribe('http.client.request.start', (message) => {
  const { request } = message as { request: { getHeader(name: string): unknown } };
  if (String(request.getHeader('host')).endsWith(`:${port}`)) counts.attempts++;
});
subscribe('net.client.socket', (message) => {
  const { socket } = message as { socket: Socket };
  socket.once('connect', () => {
    if (socket.remotePort !== port) return;
    counts.sockets = Math.max(counts.sockets, ++open);
    socket.once('close', () => open--);
  });
});

const registry = consulRegistry({ address });
const directory = createDirectory({ discovery: registry });
directory.onState(({ type, service }) => {
  if (type === 'fresh') say({ type: 'fresh', service, at: now() });
  else if (type !== 'stale' || !away) counts.errors++;
});
directory.onChange(({ type, instance }) => {
  const turn = instance.metadata?.['turn'];
  if (type === 'update' && turn !== undefined) say({ type: 'seen', turn: Number(turn), at: now() });
});
process.on('message', (message: ToWatcher) => {
  if (message.type === 'away') away = message.on;
  const { user, system } = process.cpuUsage();
  say({ type: 'counts', counts: { ...counts, cpuMs: (user + system) / 1_000 } });
});

await directory.warmUp(services);
say({ type: 'ready' });
const called = client(services[0]!, { directory });
for (;;) {
  counts.calls++;
  await called.get('/').catch(() => counts.failed++);
  await wait(PAUSE_MS);
}
