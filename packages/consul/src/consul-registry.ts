import { ServiceError, silentLogger } from '@ferrule/core';
import type { HealthTarget, Registry } from '@ferrule/core';
import { checkInstance, checkServiceName, keeper, newest, systemClock } from '@ferrule/core/adapter';
import type { KeptRegistration } from '@ferrule/core/adapter';
import { consulClient } from './client.js';
import type { ConsulRequest } from './client.js';
import { encode } from './entry.js';
import { consulEntry } from './kept-entry.js';
import type { EntryCheck } from './kept-entry.js';
import { consulId, serviceOf } from './names.js';
import { settingsOf } from './options.js';
import type { ConsulRegistryOptions } from './options.js';
import { ServiceWatch } from './service-watch.js';
import { vigil } from './vigil.js';

/** A test compares it with package.json. */
const VERSION = '0.1.0';

/** How often an entry that Consul checks by itself is made sure of, ms. */
const VERIFY_MS = 15_000;
/** Connections for noticing at once that an entry is gone. Who registers more in one process waits for the keeper's turn. */
const MOST_VIGILS = 8;

/**
 * Services registered at, and found through, the local Consul agent (1.8 or later).
 *
 * Every instance is kept: its entry is verified every 15 s ± 20 %, with TTL at every heartbeat, and at once when a question that is held
 * open at the agent breaks or says that it changed; it is written again when it is gone, never after `deregister`. `register` resolves when the catalogue shows the instance.
 * A watch gives all instances with their status, those that Consul finds critical as `fail`; it throws when the agent is lost, cannot be
 * understood or has no leader. Entries of other tools are read too.
 *
 * The token goes into a header of the requests, and nowhere else.
 * @throws TypeError naming the option that does not fit. ServiceError PERMISSION_DENIED from `register`, `watch` and `services` when the
 * token does not suffice.
 */
export function consulRegistry(options: ConsulRegistryOptions = {}): Registry {
  const settings = settingsOf(options, process.env);
  const { logger = silentLogger, clock = systemClock, random = Math.random, datacenter } = options;
  const { maxSockets, requestTimeoutMs, tags } = settings;
  const client = consulClient({ address: settings.address, token: settings.token, tls: options.tls, maxSockets, clock });
  const kept = new Map<string, KeptRegistration>();
  const watches = new Map<string, ServiceWatch>();
  const vigils = new Set<() => void>();
  let closed = false;
  let complained = false;

  const open = (): void => {
    if (closed) throw new ServiceError('UNAVAILABLE', 'The consul registry is closed; make a new one', { retryable: false });
  };

  /** With more watches than connections each holds one for a shorter time, so that none waits longer than a question may take. */
  const waitMs = (): number => {
    const held = watches.size + vigils.size;
    if (held <= maxSockets) return settings.waitMs;
    if (!complained)
      logger.warn(
        { watches: watches.size, maxSockets },
        'More services are watched than there are connections to Consul; changes are seen later. Raise maxSockets',
      );
    complained = true;
    return Math.max(1_000, (settings.waitMs * maxSockets) / held / 2);
  };

  const watchOf = (service: string): ServiceWatch => {
    let watch = watches.get(service);
    if (watch !== undefined) return watch;
    const made = (watch = new ServiceWatch(service, {
      client,
      clock,
      datacenter,
      waitMs,
      requestTimeoutMs,
      onEnd(error) {
        if (watches.get(service) === made) watches.delete(service);
        // Whatever happened to the agent may have happened to our entries. Who watches comes back with backoff, so this is no hot loop.
        if (error !== undefined && !closed) for (const registration of kept.values()) registration.verify();
      },
    }));
    watches.set(service, made);
    return made;
  };

  const checkFor = (health: HealthTarget | undefined): EntryCheck => {
    const { check, intervalMs, timeoutMs, ttlMs, deregisterAfterMs } = settings;
    if (check === false) return { kind: 'none' };
    if (check === 'ttl' || health === undefined) return { kind: 'ttl', ttlMs, deregisterAfterMs };
    return { kind: 'http', target: health, intervalMs, timeoutMs, deregisterAfterMs };
  };

  return {
    name: 'consul',
    version: VERSION,
    async register(given, { signal, health } = {}) {
      open();
      const instance = checkInstance(given);
      encode(instance, { owner: '', tags, withStatus: true }); // throws when it does not fit
      const name = consulId(instance.service, instance.id);
      const check = checkFor(health);
      const about = { service: instance.service, instance: instance.id };
      const entry = consulEntry(instance.service, instance.id, {
        client,
        clock,
        requestTimeoutMs,
        tags,
        check,
        onUnseen: () =>
          logger.warn(
            about,
            'The agent took the registration, but the catalogue does not show it: is there a leader, and may the token read nodes and services?',
          ),
      });
      const everyMs = check.kind === 'ttl' ? check.ttlMs / 3 : VERIFY_MS;
      const registration = keeper(instance, entry, { everyMs, clock, random, logger, after: kept.get(name)?.release() });
      kept.set(name, registration);
      let endVigil = (): void => {};
      const deregister = async (): Promise<void> => {
        endVigil();
        if (kept.get(name) === registration) kept.delete(name);
        await registration.deregister();
      };
      try {
        await registration.begin(signal);
      } catch (error) {
        if (kept.get(name) === registration) kept.delete(name);
        throw error;
      }
      // With a TTL check too: an agent that came back empty would list nobody until the next heartbeat, a third of the TTL away.
      if (vigils.size < MOST_VIGILS && kept.get(name) === registration) {
        const end = vigil(name, { client, clock, random, waitMs, requestTimeoutMs, onNews: () => registration.verify() });
        vigils.add(end);
        endVigil = () => {
          vigils.delete(end);
          end();
        };
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
      const request: ConsulRequest = {
        method: 'GET',
        path: '/catalog/services',
        ...(datacenter !== undefined && { query: { dc: datacenter } }),
        timeoutMs: requestTimeoutMs,
        signal,
      };
      const answer = await client.ask(request);
      if (typeof answer.body !== 'object' || answer.body === null) throw client.refusedBy(request, answer);
      // Consul itself is one of its services.
      const names = Object.keys(answer.body).filter((name) => name !== 'consul');
      return names.map(serviceOf).sort();
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      const lost = new ServiceError('UNAVAILABLE', 'The consul registry was closed');
      for (const watch of [...watches.values()]) watch.end(lost);
      for (const end of vigils) end();
      vigils.clear();
      const registrations = [...kept.values()];
      kept.clear();
      const ends = await Promise.allSettled(registrations.map((registration) => registration.deregister()));
      client.close();
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    },
  };
}
