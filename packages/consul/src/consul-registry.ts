import { ServiceError, silentLogger } from '@ferrule/core';
import type { Instance, Logger, RegisterOptions, Registration, Registry } from '@ferrule/core';
import { checkInstance, checkServiceName, keeper, newest, shown, systemClock } from '@ferrule/core/adapter';
import type { KeptRegistration } from '@ferrule/core/adapter';
import { AgentGate } from './agent-gate.js';
import { consulClient } from './client.js';
import type { ConsulRequest } from './client.js';
import { hasTarget } from './check-body.js';
import { encode } from './entry.js';
import { consulEntry } from './kept-entry.js';
import { consulId, serviceOf } from './names.js';
import { settingsOf } from './options.js';
import type { ConsulRegistryOptions } from './options.js';
import { ServiceWatches } from './service-watches.js';
import { inTenancy } from './tenancy.js';
import { vigil } from './vigil.js';

/** A test compares it with package.json. */
const VERSION = '0.1.0';

/** How often an entry that Consul checks by itself is made sure of, ms. */
const VERIFY_MS = 15_000;
/** A registry that can also take its instances out of use without removing them. */
export interface ConsulRegistry extends Registry {
  register(instance: Instance, options?: RegisterOptions): Promise<ConsulRegistration>;
  /** `maintain` of every instance that is registered here now. Rejects when one of them could not be changed. */
  maintenance(reason: string | false): Promise<void>;
}

export interface ConsulRegistration extends Registration {
  /**
   * Consul's maintenance mode: with a reason (one line of 200 characters is kept) everybody sees the instance as failing, whatever its checks
   * say, until `false`, the next registration of the id, or the removal of the entry. Rejects when the agent could not be told; it is told
   * with the next renewal then. No effect after `deregister`.
   */
  maintain(reason: string | false): Promise<void>;
}

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
export function consulRegistry(options: ConsulRegistryOptions = {}): ConsulRegistry {
  const settings = settingsOf(options, process.env);
  const { logger: ownLogger, clock = systemClock, random = Math.random } = options;
  const logger = ownLogger ?? silentLogger;
  const { requestTimeoutMs, waitMs, style, credentials, tls, reads } = settings;
  const { brief, places, vigils: mostVigils, detector } = settings.sockets;
  const { url: address, socketPath } = settings.address;
  const sockets = { brief, held: places + mostVigils + detector };
  const client = inTenancy(consulClient({ address, socketPath, credentials, tls, sockets, clock }), settings.tenancy);
  const kept = new Map<string, KeptRegistration>();
  /** Of those in `kept`. */
  const maintainers = new Map<string, ConsulRegistration['maintain']>();
  const vigils = new Set<() => void>();
  let closed = false;
  let away = false;

  const open = (): void => {
    if (closed) throw new ServiceError('UNAVAILABLE', 'The consul registry is closed; make a new one', { retryable: false });
  };

  const gate: AgentGate = new AgentGate({
    clock,
    random,
    onAway(error) {
      if (!away) logger.warn({ error, retryInMs: 1_450 }, 'Consul does not answer; one question at a time asks for it');
      away = true;
      watches.lost(error);
    },
    onReturn(doubtful) {
      if (away) logger.info({}, 'Consul answers again');
      away = false;
      watches.returned(doubtful);
      // Whatever happened to the agent may have happened to our entries.
      for (const registration of kept.values()) registration.verify();
    },
  });
  const watches: ServiceWatches = new ServiceWatches({
    client,
    gate,
    clock,
    random,
    choice: settings.choice,
    reads,
    filter: settings.filter,
    waitMs,
    requestTimeoutMs,
    places,
    lookers: Math.max(1, brief - 1),
  });

  return {
    name: 'consul',
    version: VERSION,
    async register(given, { signal, health, logger: theirs, onRetry } = {}) {
      open();
      const instance = checkInstance(given);
      encode(instance, { ...style, owner: '', withStatus: true }); // throws when it does not fit
      const name = consulId(instance.service, instance.id);
      const hear: Logger = ownLogger ?? theirs ?? silentLogger;
      const check = hasTarget(settings.check, health) ? settings.check : settings.heartbeat;
      const about = { service: instance.service, instance: instance.id };
      const entry = consulEntry(instance.service, instance.id, {
        client,
        clock,
        requestTimeoutMs,
        style,
        check,
        health,
        onUnseen: () =>
          hear.warn(
            about,
            'The agent took the registration, but the catalogue does not show it: is there a leader, and may the token read nodes and services?',
          ),
      });
      const everyMs = check.kind === 'ttl' ? check.heartbeatMs : VERIFY_MS;
      const registration = keeper(instance, entry, { everyMs, clock, random, logger: hear, onRetry, after: kept.get(name)?.release() });
      kept.set(name, registration);
      let endVigil = (): void => {};
      const maintain = async (reason: string | false): Promise<void> => {
        if (reason !== false && typeof reason !== 'string')
          throw new TypeError(`maintain: ${shown(reason)} is no reason. Give a short text for whoever looks at Consul, or false to end it.`);
        if (kept.get(name) !== registration) return;
        await entry.maintain(reason === false ? undefined : reason).catch((error: unknown) => {
          registration.verify(); // perhaps the entry is gone; when it is written again, so is this
          throw error;
        });
      };
      const deregister = async (): Promise<void> => {
        endVigil();
        if (maintainers.get(name) === maintain) maintainers.delete(name);
        if (kept.get(name) === registration) kept.delete(name);
        await registration.deregister();
      };
      maintainers.set(name, maintain);
      try {
        await registration.begin(signal);
      } catch (error) {
        if (kept.get(name) === registration) kept.delete(name);
        if (maintainers.get(name) === maintain) maintainers.delete(name);
        throw error;
      }
      // With a TTL check too: an agent that came back empty would list nobody until the next heartbeat, a third of the TTL away.
      if (vigils.size < mostVigils && kept.get(name) === registration) {
        const end = vigil(name, { client, gate, clock, random, waitMs, requestTimeoutMs, onNews: () => registration.verify() });
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
        maintain,
        ...(settings.maintenanceOnDrain && { drain: (reason = 'draining') => maintain(reason) }),
        deregister,
        [Symbol.asyncDispose]: deregister,
      };
    },
    async maintenance(reason) {
      open();
      const ends = await Promise.allSettled(Array.from(maintainers.values(), (maintain) => maintain(reason)));
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    },
    watch(service, signal) {
      checkServiceName(service);
      return newest(signal, (sink) => {
        open();
        return watches.subscribe(service, sink);
      });
    },
    async services(signal) {
      open();
      const request: ConsulRequest = {
        method: 'GET',
        path: '/catalog/services',
        query: reads,
        timeoutMs: requestTimeoutMs,
        signal,
      };
      const answer = await client.ask(request);
      if (typeof answer.body !== 'object' || answer.body === null) throw client.refusedBy(request, answer);
      // Consul itself is one of its services.
      const names = Object.keys(answer.body).filter((name) => name !== 'consul');
      return [...new Set(names.map(serviceOf))].sort();
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      const lost = new ServiceError('UNAVAILABLE', 'The consul registry was closed');
      watches.close(lost);
      gate.close();
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
