import { Resolver, lookup } from 'node:dns/promises';

/** Asks for DNS records. A `Resolver` of `node:dns/promises` is one. */
export interface DnsResolver {
  /** IPv4 addresses with their time to live, seconds. Rejects with `ENOTFOUND` or `ENODATA` when there are none, with anything else when that is not known. */
  resolve4(host: string, options: { readonly ttl: true }): Promise<readonly AddressRecord[]>;
  /** The same for IPv6. */
  resolve6(host: string, options: { readonly ttl: true }): Promise<readonly AddressRecord[]>;
  resolveSrv(name: string): Promise<readonly ServiceRecord[]>;
}

export interface AddressRecord {
  readonly address: string;
  /** Seconds. */
  readonly ttl: number;
}

export interface ServiceRecord {
  readonly name: string;
  readonly port: number;
  /** The lower one first. */
  readonly priority: number;
  readonly weight: number;
}

/** A question that is under way: all of its parts end with `cancel`. */
export interface Question {
  readonly resolver: DnsResolver;
  /** What the machine itself makes of a name (`/etc/hosts`, search domains, mDNS), without a time to live; undefined when nobody may ask it. */
  readonly local: ((host: string) => Promise<readonly { readonly address: string; readonly family: number }[]>) | undefined;
  cancel(): void;
}

const QUERY_TIMEOUT_MS = 2_000;
const TRIES = 2;

/**
 * Makes questions: to the servers of this machine as they are then, because a network that changes brings others, and after them to what
 * the machine itself knows. With a resolver of one's own, to that one alone.
 */
export function questions(own: DnsResolver | undefined): () => Question {
  if (own !== undefined) return () => ({ resolver: own, local: undefined, cancel: () => {} });
  // Each look-up holds one of Node's four threads, for ten seconds when no server answers: one at a time, or files and zlib would wait for DNS.
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: TRIES });
    let cancelled = false;
    return {
      resolver,
      local(host) {
        const turn = last.then(() => {
          if (cancelled) throw Object.assign(new Error(`the question for ${host} was taken back`), { code: 'ECANCELLED' });
          return lookup(host, { all: true });
        });
        last = turn.catch(() => {});
        return turn;
      },
      cancel() {
        cancelled = true;
        resolver.cancel();
      },
    };
  };
}

/** Whether the answer is that there is no such record, as opposed to no answer. */
export function saysNone(error: unknown): boolean {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return code === 'ENOTFOUND' || code === 'ENODATA';
}
