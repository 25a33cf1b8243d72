import { ServiceError, silentLogger } from '@ferrule/core';
import type { Registry } from '@ferrule/core';
import { checkInstance, checkServiceName, keeper, newest, systemClock } from '@ferrule/core/adapter';
import type { KeptRegistration } from '@ferrule/core/adapter';
import { etcdClient } from './client.js';
import { etcdEntry } from './kept-entry.js';
import { settingsOf } from './options.js';
import type { EtcdRegistryOptions } from './options.js';
import { serviceNames } from './service-names.js';
import { ServiceWatch } from './service-watch.js';
import { vigil } from './vigil.js';

/** A test compares it with package.json. */
const VERSION = '0.1.0';
/** Of keys that are remembered so that each is reported once. */
const MOST_REPORTED = 1_000;

/**
 * Services registered in, and found through, etcd 3.4 or later, over one connection.
 *
 * Every instance has a key with a lease of its own, which is renewed every third of `ttl` ± 20 %; the key is watched besides, so that it is
 * written again as soon as it is gone, never after `deregister`. `register` resolves when every member that answers sees the instance.
 * A watch lists at a revision and follows from the next one; it throws when the member is lost, silent for 15 s or without a leader, and
 * the one after it goes to another member. A value that is no instance is reported once and passed over.
 *
 * Password and token go to etcd, and nowhere else.
 * @throws TypeError naming the option that does not fit. ServiceError UNAUTHENTICATED or PERMISSION_DENIED from `register`, `watch` and
 * `services` when etcd does not know the user or allows it too little.
 */
export function etcdRegistry(options: EtcdRegistryOptions = {}): Registry {
  const { layout, ttlMs, requestTimeoutMs, endpoints, user, tls } = settingsOf(options);
  const { clock = systemClock, random = Math.random } = options;
  const client = etcdClient({ endpoints, user, tls, requestTimeoutMs, clock, random });
  const kept = new Map<string, { readonly registration: KeptRegistration; endVigil: () => void }>();
  const watches = new Map<string, ServiceWatch>();
  const reported = new Set<string>();
  let logger = options.logger ?? silentLogger;
  let closed = false;

  const open = (): void => {
    if (closed) throw new ServiceError('UNAVAILABLE', 'The etcd registry is closed; make a new one', { retryable: false });
  };

  const watchOf = (service: string): ServiceWatch => {
    let watch = watches.get(service);
    if (watch !== undefined) return watch;
    const made = (watch = new ServiceWatch(service, {
      client,
      layout,
      onUnreadable(key, error) {
        if (reported.has(key) || reported.size >= MOST_REPORTED) return;
        reported.add(key);
        logger.warn({ service, key, error }, 'What is under this key in etcd is no instance; it is passed over');
      },
      onEnd() {
        if (watches.get(service) === made) watches.delete(service);
      },
    }));
    watches.set(service, made);
    return made;
  };

  return {
    name: 'etcd',
    version: VERSION,
    async register(given, { signal, logger: theirs, onRetry } = {}) {
      open();
      const instance = checkInstance(given);
      const key = layout.key(instance.service, instance.id);
      layout.encode(instance, '', undefined); // throws when it does not fit
      if (options.logger === undefined && theirs !== undefined) logger = theirs;
      const entry = etcdEntry(instance.service, instance.id, { client, clock, layout, ttlMs });
      const before = kept.get(key);
      before?.endVigil();
      const registration = keeper(instance, entry, { everyMs: ttlMs / 3, clock, random, logger, onRetry, after: before?.registration.release() });
      const held = { registration, endVigil: (): void => {} };
      kept.set(key, held);
      const deregister = async (): Promise<void> => {
        held.endVigil();
        if (kept.get(key) === held) kept.delete(key);
        await registration.deregister();
      };
      try {
        await registration.begin(signal);
      } catch (error) {
        if (kept.get(key) === held) kept.delete(key);
        throw error;
      }
      if (kept.get(key) === held) {
        held.endVigil = vigil(key, {
          client,
          clock,
          random,
          startRevision: entry.revision + 1,
          isOurs: entry.isOurs,
          onNews: () => registration.verify(),
        });
      }
      return {
        get instance() {
          return registration.instance;
        },
        report: (status, note) => registration.report(status, note),
        deregister,
        [Symbol.asyncDispose]: deregister,
      };
    },
    watch(service, signal) {
      checkServiceName(service);
      return newest(signal, (sink) => {
        open();
        return watchOf(service).subscribe(sink);
      });
    },
    async services(signal) {
      open();
      signal?.throwIfAborted();
      return serviceNames(client, layout, signal);
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      const lost = new ServiceError('UNAVAILABLE', 'The etcd registry was closed');
      for (const watch of [...watches.values()]) watch.end(lost);
      const registrations = [...kept.values()];
      kept.clear();
      for (const { endVigil } of registrations) endVigil();
      const ends = await Promise.allSettled(registrations.map(({ registration }) => registration.deregister()));
      client.close();
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    },
  };
}
