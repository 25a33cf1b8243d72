import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import type { NetworkInterfaceInfo } from 'node:os';
import type { Address } from '../server/http-adapter.js';

export interface AdvertiseOptions {
  /** The host that others shall use. Default: the one we listen on, or for all of them (`0.0.0.0`, `::`) one that others can reach. */
  readonly host?: string;
  /** The port that others shall use. Default: the one we listen on. */
  readonly port?: number;
}

const ALL_INTERFACES: readonly string[] = ['0.0.0.0', '::', ''];
/** Registries whose readers run on this machine, so that its loopback address reaches everyone, also without a network. */
const LOCAL_REGISTRIES: readonly string[] = ['memory', 'file', 'static'];

/**
 * What to put into the registry for a server bound to `bound`. `0.0.0.0` is a place to listen on, not one to connect to: with a registry
 * of this machine alone it becomes 127.0.0.1, else the first IPv4 address that is no loopback, else such an IPv6 address.
 */
export function advertisedAddress(
  bound: Address,
  given: AdvertiseOptions = {},
  registry: string | undefined,
  interfaces: () => NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces,
): Address {
  const port = given.port ?? bound.port;
  if (given.host !== undefined) return { host: given.host, port };
  if (!ALL_INTERFACES.includes(bound.host)) return { host: bound.host, port };
  if (registry === undefined || isLocalRegistry(registry)) return { host: '127.0.0.1', port };
  const others = Object.values(interfaces()).flatMap((list) => (list ?? []).filter((one) => !one.internal));
  const reachable = others.find((one) => one.family === 'IPv4') ?? others.find((one) => !one.address.startsWith('fe80:'));
  return { host: reachable?.address ?? '127.0.0.1', port };
}

/** Whether only processes of this machine read the registry. */
export function isLocalRegistry(registry: string): boolean {
  return LOCAL_REGISTRIES.includes(registry);
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** `<service>-<host>-<port>-<8 hex digits>`: a person sees where it runs, and a restart on the same port is another instance. */
export function instanceId(service: string, address: Address): string {
  const host = address.host.replaceAll(/[^A-Za-z0-9.]+/g, '-').slice(0, 80);
  return `${service}-${host}-${address.port}-${randomBytes(4).toString('hex')}`;
}
