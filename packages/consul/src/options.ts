import type { ConnectionOptions } from 'node:tls';
import type { Logger } from '@ferrule/core';
import { checkOptions } from '@ferrule/core/adapter';
import type { Clock, Duration } from '@ferrule/core/adapter';
import { agentAddress } from './agent-address.js';
import type { AgentAddress } from './agent-address.js';
import { checkSettings, span } from './check.js';
import type { CheckSettings, ConsulCheck } from './check.js';
import { Credentials, isToken } from './credentials.js';
import type { EntryStyle, Interop } from './entry.js';
import { variable, wrong } from './environment.js';
import type { Choice } from './instance-rows.js';
import { socketsOf } from './sockets.js';
import type { Sockets } from './sockets.js';
import { tlsSettings } from './tls.js';
import type { ConsulTls } from './tls.js';

/**
 * Of `consulRegistry`. Durations are milliseconds, or text such as `'10s'`. Where an option is left out, the variables of Consul's own tools
 * are looked at once, when the registry is made; a value there that does not fit throws as an option does, and an empty one is none.
 */
export interface ConsulRegistryOptions {
  /**
   * The local agent: `'http://127.0.0.1:8500'`, `'host:port'`, `'https://…'`, `'unix:///run/consul.sock'`. Without a scheme it is https when
   * `tls` is given or CONSUL_HTTP_SSL is true. Default: CONSUL_HTTP_ADDR, else `127.0.0.1:8500`.
   */
  readonly address?: string;
  /** ACL token; sent in a header, never logged. Default: CONSUL_HTTP_TOKEN. */
  readonly token?: string;
  /** A file with the token, read again when the agent refuses it. Default, when no token is given: CONSUL_HTTP_TOKEN_FILE, which wins over CONSUL_HTTP_TOKEN. */
  readonly tokenFile?: string;
  /** `user:password` for a proxy in front of the agent, sent as HTTP basic authentication. Default: CONSUL_HTTP_AUTH. */
  readonly auth?: string;
  /** For https. Default: CONSUL_CACERT, CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY, CONSUL_TLS_SERVER_NAME, CONSUL_HTTP_SSL_VERIFY, else as in node:tls. */
  readonly tls?: ConsulTls;
  /** Where to look for services. Default: the agent's own. Registered is always at the agent. */
  readonly datacenter?: string;
  /** Consul Enterprise alone: the open one refuses every request that names a namespace. Default: CONSUL_NAMESPACE, else none is sent. */
  readonly namespace?: string;
  /** Consul Enterprise alone. Default: CONSUL_PARTITION, else none is sent. */
  readonly partition?: string;
  /**
   * How Consul learns how an instance is. `http` (default): it asks the readiness route; where the registrant names none, as `ttl`.
   * `ttl`: heartbeats of this process, also for agents that cannot reach it. `tcp`, `grpc`: it connects, or asks the gRPC health service, at
   * the instance's address. `false`: no check; a killed process stays listed. An object with `kind` says more.
   */
  readonly check?: ConsulCheck['kind'] | false | ConsulCheck;
  /** Between two questions of Consul, at least 1 s. Default 10 s. */
  readonly interval?: Duration;
  /** How long Consul waits for an answer. Default 1 s. */
  readonly timeout?: Duration;
  /** After so long without a heartbeat an instance is critical, at least 3 s; a heartbeat is sent every third of it. Default 15 s. */
  readonly ttl?: Duration;
  /** Consul forgets an instance that was critical for so long, at least 1 min: it looks every half minute and would raise less. Default 1 min. */
  readonly deregisterCriticalAfter?: Duration;
  /** Tags of every instance, beside its own. */
  readonly tags?: readonly string[];
  /** Of instances that have no weight of their own, and of all while they warn: integers from 1 to 65,535. Default 1, and while they warn no less. */
  readonly weights?: { readonly passing?: number; readonly warning?: number };
  /** Whether others may change the tags in the catalogue, and the agent leaves it at that. Default false. */
  readonly enableTagOverride?: boolean;
  /** Writes entries so that the clients of go-micro or Kratos find them too. Theirs are always read. */
  readonly interop?: 'go-micro' | 'kratos' | { readonly kind: 'go-micro'; readonly endpoints?: readonly string[] } | { readonly kind: 'kratos' };
  /** While a service drains, its entry stays, in maintenance, for those who look at Consul; it is removed at the end. Default false: removed at once. */
  readonly maintenanceOnDrain?: boolean;
  /** How long a watch's question is held open, 1 s to 10 min. An abandoned one holds a connection of the agent for so long. Default 30 s. */
  readonly wait?: Duration;
  /**
   * All connections of this registry to the agent, at least 4; Consul allows 200 for each address by default. A quarter is for registrations
   * and short questions; with 16 the 8 services that changed last have one each, and 4 are for what notices changes of all others. Default 16.
   */
  readonly maxSockets?: number;
  /**
   * Leaves out what Consul finds critical, as long as `atLeast` instances (true: 1) are not; with fewer, all are given, with their status,
   * but for those in maintenance. For readers of the list who do not look at the status: whoever picks an instance through Ferrule skips
   * those that fail anyway, has rules of his own for too few, and keeps what was learnt about an instance only while it is listed.
   * Default false: all are given.
   */
  readonly passingOnly?: boolean | { readonly atLeast: number };
  /** Of the instances that are read, in Consul's filter language, such as `'Service.Meta.env == "prod"'`. Default: none. */
  readonly filter?: string;
  /**
   * Who answers reads. `default`: the leader, who in a rare split may be one no more. `consistent`: the leader, after it has asked the others.
   * `stale`: any server, also without a leader, and a little behind it. Default `default`.
   */
  readonly consistency?: 'default' | 'stale' | 'consistent';
  /** Bound of every other exchange with the agent. Default 5 s. */
  readonly requestTimeout?: Duration;
  /** Default: that of whoever registers, else writes nothing. */
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** From 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** The options, checked and in milliseconds. */
export interface ConsulSettings {
  readonly address: AgentAddress;
  readonly credentials: Credentials;
  readonly tls: ConnectionOptions;
  readonly tenancy: { readonly namespace?: string; readonly partition?: string };
  readonly check: CheckSettings;
  /** What stands in for a check that has nothing to ask. */
  readonly heartbeat: CheckSettings;
  readonly style: EntryStyle;
  readonly maintenanceOnDrain: boolean;
  readonly waitMs: number;
  readonly sockets: Sockets;
  readonly choice: Choice;
  readonly filter: string | undefined;
  /** Query of every read. */
  readonly reads: Readonly<Record<string, string>>;
  readonly requestTimeoutMs: number;
}

const KNOWN: Readonly<Record<keyof ConsulRegistryOptions, true>> = {
  address: true,
  token: true,
  tokenFile: true,
  auth: true,
  tls: true,
  datacenter: true,
  namespace: true,
  partition: true,
  check: true,
  interval: true,
  timeout: true,
  ttl: true,
  deregisterCriticalAfter: true,
  tags: true,
  weights: true,
  enableTagOverride: true,
  interop: true,
  maintenanceOnDrain: true,
  wait: true,
  maxSockets: true,
  passingOnly: true,
  filter: true,
  consistency: true,
  requestTimeout: true,
  logger: true,
  clock: true,
  random: true,
};

/** What a configuration file cannot hold. */
export const SURROUNDINGS: readonly string[] = ['logger', 'clock', 'random'] satisfies readonly (keyof ConsulRegistryOptions)[];

/** @throws TypeError naming the option or variable, its value (never a token) and what would be right. */
export function settingsOf(options: ConsulRegistryOptions, env: NodeJS.ProcessEnv): ConsulSettings {
  checkOptions('consulRegistry', options, Object.keys(KNOWN));
  const { check = 'http', maxSockets = 16, tags = [], datacenter, tls, enableTagOverride = false, maintenanceOnDrain = false } = options;
  const { consistency = 'default', filter } = options;
  if (!Number.isInteger(maxSockets) || maxSockets < 4) throw wrong('maxSockets', maxSockets, 'Give an integer from 4');
  if (!['default', 'stale', 'consistent'].includes(consistency)) throw wrong('consistency', consistency, "Give 'default', 'stale' or 'consistent'");
  if (filter !== undefined && (typeof filter !== 'string' || filter.trim() === ''))
    throw wrong('filter', filter, `Give an expression of Consul's, such as 'Service.Meta.env == "prod"'`);
  if (!isTexts(tags)) throw wrong('tags', tags, 'Give an array of texts');
  if (datacenter !== undefined && !isLabel(datacenter)) throw wrong('datacenter', datacenter, "Give its name, such as 'dc1'");
  for (const [name, value] of Object.entries({ enableTagOverride, maintenanceOnDrain }))
    if (typeof value !== 'boolean') throw wrong(name, value, 'Give true or false');
  const address = agentAddress(options.address, tls !== undefined, env);
  if (tls !== undefined && !address.url.startsWith('https:'))
    throw new TypeError(
      `consulRegistry tls: the address is ${address.socketPath === undefined ? 'an http one' : 'a socket'}, where it would be of no use. Give an https address, or leave tls out.`,
    );
  return {
    address,
    credentials: credentialsOf(options, env),
    tls: address.url.startsWith('https:') ? tlsSettings(tls, env) : {},
    tenancy: tenancyOf(options, env),
    check: checkSettings(check, options),
    heartbeat: checkSettings('ttl', options),
    style: { tags, weights: weightsOf(options.weights), tagOverride: enableTagOverride, interop: interopOf(options.interop) },
    maintenanceOnDrain,
    waitMs: span('wait', options.wait ?? 30_000, 1_000, undefined, 600_000),
    sockets: socketsOf(maxSockets),
    choice: choiceOf(options.passingOnly),
    filter,
    reads: { ...(datacenter !== undefined && { dc: datacenter }), ...(consistency !== 'default' && { [consistency]: 'true' }) },
    requestTimeoutMs: span('requestTimeout', options.requestTimeout ?? 5_000, 1),
  };
}

/** No message shows a value. */
function credentialsOf(options: ConsulRegistryOptions, env: NodeJS.ProcessEnv): Credentials {
  const tokenFile = options.tokenFile ?? (options.token === undefined ? variable(env, 'CONSUL_HTTP_TOKEN_FILE') : undefined);
  const token = options.token ?? variable(env, 'CONSUL_HTTP_TOKEN');
  const auth = options.auth ?? variable(env, 'CONSUL_HTTP_AUTH');
  if (options.token !== undefined && options.tokenFile !== undefined)
    throw new TypeError('consulRegistry token: there is a tokenFile too. Give one of them.');
  if (token !== undefined && (typeof token !== 'string' || (token !== '' && !isToken(token)))) {
    const name = options.token === undefined ? 'CONSUL_HTTP_TOKEN' : 'token';
    throw new TypeError(`consulRegistry ${name}: it holds characters that no header takes. Give the secret id alone.`);
  }
  if (auth !== undefined && (typeof auth !== 'string' || /[\u0000-\u001f\u007f]/.test(auth)))
    throw new TypeError(
      `consulRegistry ${options.auth === undefined ? 'CONSUL_HTTP_AUTH' : 'auth'}: it is no text of one line. Give 'user:password'.`,
    );
  try {
    return new Credentials({ token: token === '' ? undefined : token, tokenFile, auth: auth === '' ? undefined : auth });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const name = options.tokenFile === undefined ? 'CONSUL_HTTP_TOKEN_FILE' : 'tokenFile';
    throw wrong(name, tokenFile, `It cannot be used (${code ?? message}). Give the path of a file that holds a token alone`);
  }
}

function tenancyOf(options: ConsulRegistryOptions, env: NodeJS.ProcessEnv): ConsulSettings['tenancy'] {
  const namespace = options.namespace ?? variable(env, 'CONSUL_NAMESPACE');
  const partition = options.partition ?? variable(env, 'CONSUL_PARTITION');
  if (namespace !== undefined && !isLabel(namespace))
    throw wrong(options.namespace === undefined ? 'CONSUL_NAMESPACE' : 'namespace', namespace, 'Give its name');
  if (partition !== undefined && !isLabel(partition))
    throw wrong(options.partition === undefined ? 'CONSUL_PARTITION' : 'partition', partition, 'Give its name');
  return { ...(namespace !== undefined && { namespace }), ...(partition !== undefined && { partition }) };
}

function weightsOf(given: ConsulRegistryOptions['weights'] = {}): EntryStyle['weights'] {
  checkOptions('consulRegistry weights', given, ['passing', 'warning']);
  for (const [name, value] of Object.entries(given)) {
    if (!Number.isInteger(value) || value < 1 || value > 65_535) throw wrong(`weights.${name}`, value, 'Give an integer from 1 to 65535');
  }
  return given;
}

function choiceOf(given: ConsulRegistryOptions['passingOnly'] = false): Choice {
  if (typeof given === 'boolean') return { leastPassing: given ? 1 : 0 };
  checkOptions('consulRegistry passingOnly', given, ['atLeast']);
  const { atLeast } = given;
  if (!Number.isInteger(atLeast) || atLeast < 1) throw wrong('passingOnly.atLeast', atLeast, 'Give an integer from 1');
  return { leastPassing: atLeast };
}

function interopOf(given: ConsulRegistryOptions['interop']): Interop | undefined {
  const { kind, endpoints = [] } = (typeof given === 'object' && given !== null ? given : { kind: given }) as {
    kind: unknown;
    endpoints?: readonly string[];
  };
  if (given === undefined) return undefined;
  if (kind !== 'go-micro' && kind !== 'kratos') throw wrong('interop', given, "Give 'go-micro' or 'kratos'");
  if (typeof given === 'object') checkOptions('consulRegistry interop', given, kind === 'go-micro' ? ['kind', 'endpoints'] : ['kind']);
  if (!isTexts(endpoints) || endpoints.length > 64) throw wrong('interop.endpoints', endpoints, "Give at most 64 names, such as 'Orders.Find'");
  return kind === 'go-micro' ? { kind, endpoints } : { kind };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string' && text !== '');
}

function isLabel(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9_-]+$/.test(value);
}
