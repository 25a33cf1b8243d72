// Registered symbols, free of any container: packages bind them without loading one, and two copies agree.

/** What a part of a service is bound to. Those that say "each" may be bound many times; the first bound is the outermost, or asked first. */
export type TokenName =
  | 'Options'
  | 'Service'
  | 'Adapter'
  | 'Registry'
  | 'Monitor'
  | 'Logger'
  | 'Clock'
  | 'Random'
  | 'SnapshotStore'
  | 'Observe'
  | ClientToken
  | EachToken;

type ClientToken = 'ClientDefaults' | 'Clients' | 'Directory' | 'Transport' | 'Balancer' | 'Ejector';
type EachToken = 'Controller' | 'Route' | 'Wrapper' | 'Limit' | 'ErrorMapper' | 'Check' | 'Filter' | 'ClientWrapper' | 'AttemptWrapper';

export const Tokens: Readonly<Record<TokenName, symbol>> = Object.freeze({
  /** Options of `createService` that are no part of their own, the name among them; they may be bound in pieces. */
  Options: token('Options'),
  /** The service itself, once `createService(container)` has made it. */
  Service: token('Service'),
  /** An HttpAdapter: `expressModule()` and `koaModule()` bind it. */
  Adapter: token('Adapter'),
  Registry: token('Registry'),
  Monitor: token('Monitor'),
  Logger: token('Logger'),
  Clock: token('Clock'),
  /** () => number, from 0 to below 1. */
  Random: token('Random'),
  /** Level 2 of the directory that the clients share, such as `fileStore()`. */
  SnapshotStore: token('SnapshotStore'),
  /** The Wrapper of telemetry in place of `observeInbound()`. */
  Observe: token('Observe'),
  /** What the clients of the service start from. */
  ClientDefaults: token('ClientDefaults'),
  /** `(target, options) => ServiceClient` of the service: what stands behind injected `@ServiceClient` classes. */
  Clients: token('Clients'),
  Directory: token('Directory'),
  Transport: token('Transport'),
  Balancer: token('Balancer'),
  Ejector: token('Ejector'),
  /** Each: a controller, or its class. */
  Controller: token('Controller'),
  /** Each: a Route. */
  Route: token('Route'),
  /** Each: a wrapper, one with a position, or an object with `wrap(next)`. */
  Wrapper: token('Wrapper'),
  /** Each: a Wrapper outside of the timeout. */
  Limit: token('Limit'),
  /** Each: an ErrorMapper; asked on the way out of the service, and on the way into its clients. */
  ErrorMapper: token('ErrorMapper'),
  /** Each: a Check. */
  Check: token('Check'),
  /** Each: a Filter of the instances that clients may reach. */
  Filter: token('Filter'),
  /** Each: as Wrapper, around the calls of clients. */
  ClientWrapper: token('ClientWrapper'),
  /** Each: as Wrapper, around each attempt of clients. */
  AttemptWrapper: token('AttemptWrapper'),
});

function token(name: string): symbol {
  return Symbol.for(`ferrule.${name}`);
}
