import { inspect } from 'node:util';
import { ejector } from '../balancing/ejector.js';
import { subset } from '../balancing/subset.js';
import type { CallHeaders } from '../call/call.js';
import type { ClientOptions } from '../client/service-client.js';
import { REDACTED } from '../logging/redact.js';
import type { HealthSource } from '../registry/health-source.js';
import { byMetadata } from '../selection/by-metadata.js';
import { byTags } from '../selection/by-tags.js';
import { byVersion } from '../selection/by-version.js';
import { canary } from '../selection/canary.js';
import type { NamedValues } from '../call/call-field.js';
import type { Filter } from '../selection/filter.js';
import { metadataHealth } from '../selection/metadata-health.js';
import type { Router } from '../selection/router.js';
import { backoff } from '../wrappers/backoff.js';
import type { Backoff } from '../wrappers/backoff.js';
import type { Clock } from '../time/clock.js';
import type { Duration } from '../time/duration.js';
import { balancerOf } from './balancers.js';
import type { BackoffConfiguration, ClientConfiguration, FilterConfiguration } from './configuration.js';
import { routingOf } from './routing-rules.js';
import { withoutType } from './without-type.js';

export interface ClientSurroundings {
  readonly clock?: Clock;
  readonly random?: () => number;
  /** What `{ callValue: name }` means. */
  readonly values?: NamedValues;
}

/** What a client's configuration says, as its options; health sources and routers apart, because others are added to them. */
export interface ConfiguredClient {
  readonly options: Omit<ClientOptions, 'health' | 'routing'>;
  readonly health: readonly HealthSource[];
  readonly routers: readonly Router[];
}

/** @throws TypeError for what a part refuses. */
export function configuredClient(config: ClientConfiguration, surroundings: ClientSurroundings = {}): ConfiguredClient {
  const {
    retry,
    headers,
    balancer,
    fallbackBalancer,
    subset: members,
    ejector: ejection,
    filters,
    routing,
    canary: canaries,
    metadataHealth: fromMetadata,
    ...alike
  } = config;
  const { clock, random: draw } = surroundings;
  const chance = draw === undefined ? {} : { random: draw };
  const health =
    fromMetadata === undefined || fromMetadata === false
      ? []
      : [metadataHealth({ ...(clock !== undefined && { clock }), ...(fromMetadata === true ? {} : fromMetadata) })];
  const routers: Router[] = [];
  if (canaries !== undefined) routers.push(canary({ ...chance, ...canaries }));
  if (routing !== undefined) routers.push(routingOf(routing, surroundings));
  return {
    health,
    routers,
    options: {
      ...alike,
      ...(retry !== undefined && { retry: typeof retry === 'boolean' ? retry : retryOf(retry) }),
      ...(headers !== undefined && { headers: unseen(headers) }),
      ...(balancer !== undefined && { balancer: balancerOf(balancer, chance) }),
      ...(fallbackBalancer !== undefined && { fallbackBalancer: balancerOf(fallbackBalancer, chance) }),
      ...(members !== undefined && { subset: subset(members) }),
      ...(ejection !== undefined && { ejector: ejection === false ? false : ejector({ ...probesWithin(config.attemptTimeout), ...ejection }) }),
      ...(filters !== undefined && { filters: filters.map(filterOf) }),
    },
  };
}

/** A probe is a call: without a time of its own it has that of an attempt. */
function probesWithin(attemptTimeout: ClientConfiguration['attemptTimeout']): { readonly probeTimeout?: Duration } {
  return attemptTimeout === undefined || attemptTimeout === false ? {} : { probeTimeout: attemptTimeout };
}

function retryOf({ backoff: waits, ...rest }: Exclude<NonNullable<ClientConfiguration['retry']>, boolean>): NonNullable<ClientOptions['retry']> {
  return { ...rest, ...(waits !== undefined && { backoff: backoffOf(waits) }) };
}

function backoffOf(config: BackoffConfiguration): Backoff {
  switch (config.type) {
    case 'fixed':
      return backoff.fixed(config.delay, config.jitter === undefined ? {} : { jitter: config.jitter });
    case 'exponential':
      return backoff.exponential(withoutType(config));
    case 'linear':
      return backoff.linear(withoutType(config));
    case 'decorrelated':
      return backoff.decorrelated(withoutType(config));
    case 'full-jitter':
      return backoff.fullJitter(withoutType(config));
  }
}

function filterOf(filter: FilterConfiguration): Filter {
  if (Object.keys(filter).length !== 1) throw new TypeError('filters: each is exactly one of { version }, { tags } and { metadata }');
  if ('version' in filter) return byVersion(filter.version);
  if ('tags' in filter) return byTags(filter.tags);
  return byMetadata(filter.metadata);
}

/** The same headers, whose values an `inspect` does not show: they may authorize. */
function unseen(headers: CallHeaders): CallHeaders {
  const copy = { ...headers };
  const masked = (): object => Object.fromEntries(Object.keys(copy).map((name) => [name, REDACTED]));
  return Object.defineProperty(copy, inspect.custom, { value: masked, enumerable: false });
}
