import type { Logger } from '../logging/logger.js';

/** What a registry knows of one running process of a service. */
export interface Instance {
  /** Unique among all processes, also over time. */
  readonly id: string;
  readonly service: string;
  readonly version?: string;
  /** Default `http`. */
  readonly scheme?: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /**
   * The name that its TLS certificate carries and that the `Host` header says, where `host` is an address: `host` says whom to connect to,
   * this whom to speak to. Default: `host`.
   */
  readonly serverName?: string;
  /** Share of the traffic relative to the others, 0 to 65,535. Default 1; 0 means none. */
  readonly weight?: number;
  /** Those with a lower number are used first, and those with a higher one take what they cannot: 0 to 127. Default 0. */
  readonly priority?: number;
  readonly zone?: string;
  readonly tags?: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
  /** Default `pass`. */
  readonly status?: InstanceStatus;
}

export type InstanceStatus = 'pass' | 'warn' | 'fail';

export interface RegisterOptions {
  /** Gives up the first write: `register` rejects with its reason, and nothing stays registered. */
  readonly signal?: AbortSignal;
  /** Where the instance tells whether it takes traffic, for registries that ask themselves, such as Consul; others ignore it. */
  readonly health?: HealthTarget;
  /** Hears why registering takes longer, when the registry was given no logger of its own. */
  readonly logger?: Logger;
  /** Called with every failure of the first write that the registry tries again, so that whoever gives up can say why it did not work. */
  readonly onRetry?: (error: unknown) => void;
}

export interface HealthTarget {
  /** Answers 200 for `pass` and `warn`, 503 for `fail`; with the query `warn=429` it tells `warn` by a 429. */
  readonly url: string;
}

/** A kept entry: the registry verifies it and registers it again when it was lost, until `deregister`. */
export interface Registration extends AsyncDisposable {
  readonly instance: Instance;
  /** Changes the status that others see. Rejects when it cannot be written now; it is remembered and written later. No effect after `deregister`. */
  report(status: InstanceStatus, note?: string): Promise<void>;
  /**
   * Tells others to send nothing more, while the entry stays for those who look; `deregister` follows. A registry that cannot show that
   * leaves it out, and is asked to deregister instead.
   */
  drain?(reason?: string): Promise<void>;
  /** Removes the entry for good; idempotent. */
  deregister(): Promise<void>;
}

export interface Registrar {
  /**
   * Resolves when others can see the instance. The same id replaces: the registration before it changes and removes nothing any more.
   * While the backend is away it tries again until `signal` aborts; what trying again cannot heal rejects.
   * @throws TypeError naming the field that does not fit.
   */
  register(instance: Instance, options?: RegisterOptions): Promise<Registration>;
}

export interface Discovery {
  /**
   * The complete list at once, an empty one included, then the complete list after every change, sorted by id. No list says the same as the one
   * before it, and an instance that did not change keeps its object.
   * Ends when `signal` aborts; throws when the backend is lost, and the caller watches again.
   */
  watch(service: string, signal: AbortSignal): AsyncIterable<readonly Instance[]>;
  /** The names of all services that have an instance, sorted. */
  services(signal?: AbortSignal): Promise<readonly string[]>;
}

export interface Registry extends Registrar, Discovery, AsyncDisposable {
  /** The kind, for example `memory`, `file`, `consul`. */
  readonly name: string;
  /** Of the registry's package, for `describe()`. */
  readonly version?: string;
}

/** For example `http://127.0.0.1:8080`; an IPv6 host is put into brackets. */
export function originOf(instance: Instance): string {
  const host = instance.host.includes(':') && !instance.host.startsWith('[') ? `[${instance.host}]` : instance.host;
  return `${instance.scheme ?? 'http'}://${host}:${instance.port}`;
}
