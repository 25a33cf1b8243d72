import { isIP } from 'node:net';
import { saysNone } from './dns-resolver.js';
import type { AddressRecord, Question, ServiceRecord } from './dns-resolver.js';

/** Which addresses of a host count. */
export type AddressFamily = 4 | 6 | 'all';

/** One place that a name stands for. */
export interface FoundPlace {
  /** An IP address. */
  readonly host: string;
  /** The name that it was found under, which is what a certificate has. */
  readonly serverName: string;
  /** Of SRV records only, as are the next two. */
  readonly port?: number;
  readonly priority?: number;
  readonly weight?: number;
}

export interface Found {
  readonly places: readonly FoundPlace[];
  /** Undefined when nothing said how long it holds. */
  readonly ttlMs: number | undefined;
}

/** Each target of an SRV record costs a question. */
const MOST_TARGETS = 64;
const HIGHEST_PRIORITY = 127;
/** The share of a weight of 0 among others: "a very small chance" (RFC 2782); 0 would be none. */
const SMALL = 0.01;

/**
 * The addresses of a host. Without a family the IPv4 ones, and the IPv6 ones where there are none: both are most often two ways to one process.
 * Rejects as a DnsResolver does: `saysNone` tells whether there are none, or whether it is not known.
 */
export async function findAddresses(host: string, question: Question, family: AddressFamily | undefined): Promise<Found> {
  let failure: unknown;
  try {
    return found(host, await recordsOf(host, question, family));
  } catch (error) {
    if (question.local === undefined) throw error;
    failure = error;
  }
  try {
    const local = (await question.local(host)).filter(({ address }) => !address.includes('%')); // of no use without its zone
    const wanted = (kind: number): typeof local => local.filter((one) => one.family === kind);
    const chosen = family === 'all' ? local : family !== undefined ? wanted(family) : wanted(4).length > 0 ? wanted(4) : local;
    if (chosen.length > 0)
      return {
        ...found(
          host,
          chosen.map(({ address }) => ({ address, ttl: 0 })),
        ),
        ttlMs: undefined,
      };
  } catch (error) {
    // The servers know that there is none; whether the machine does is still open.
    if (saysNone(failure) && !saysNone(error)) throw error;
  }
  throw failure;
}

/** What SRV records name, each target by its addresses (RFC 2782). Node does not tell their time to live, only that of the addresses. */
export async function findServices(name: string, question: Question, family: AddressFamily | undefined, srvTtlMs: number): Promise<Found> {
  const records = (await question.resolver.resolveSrv(name)).filter(({ name: target, port }) => target !== '' && target !== '.' && port > 0);
  const chosen = [...records].sort((a, b) => a.priority - b.priority || b.weight - a.weight).slice(0, MOST_TARGETS);
  const priorities = [...new Set(chosen.map(({ priority }) => priority))];
  const weightless = chosen.every(({ weight }) => weight === 0);
  const parts = await Promise.all(
    chosen.map(async (record) => {
      const { places, ttlMs } = await addressesOrNone(record, question, family);
      const priority = Math.min(priorities.indexOf(record.priority), HIGHEST_PRIORITY);
      const weight = weightless ? 1 : record.weight === 0 ? SMALL : record.weight;
      return { places: places.map((place) => ({ ...place, port: record.port, priority, weight })), ttlMs };
    }),
  );
  return { places: parts.flatMap(({ places }) => places), ttlMs: Math.min(srvTtlMs, ...parts.map(({ ttlMs }) => ttlMs ?? Infinity)) };
}

async function addressesOrNone({ name }: ServiceRecord, question: Question, family: AddressFamily | undefined): Promise<Found> {
  try {
    return await findAddresses(name, question, family);
  } catch (error) {
    if (saysNone(error)) return { places: [], ttlMs: undefined };
    throw error;
  }
}

async function recordsOf(host: string, { resolver }: Question, family: AddressFamily | undefined): Promise<readonly AddressRecord[]> {
  const ask = { 4: () => resolver.resolve4(host, { ttl: true }), 6: () => resolver.resolve6(host, { ttl: true }) };
  if (family === 'all') {
    const [four, six] = await Promise.all([ask[4]().catch(noneOf), ask[6]().catch(noneOf)]);
    if (four.length + six.length === 0) throw noSuchHost(host);
    return [...four, ...six];
  }
  if (family !== undefined) return ask[family]();
  try {
    const four = await ask[4]();
    if (four.length > 0) return four;
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENODATA') throw error; // ENOTFOUND: there is nothing of any kind under that name
  }
  return ask[6]();
}

function noneOf(error: unknown): readonly AddressRecord[] {
  if (saysNone(error)) return [];
  throw error;
}

function noSuchHost(host: string): Error {
  return Object.assign(new Error(`${host} has no address`), { code: 'ENODATA' });
}

function found(host: string, answered: readonly AddressRecord[]): Found {
  const records = answered.filter(({ address }) => isIP(address) !== 0);
  if (records.length === 0) throw noSuchHost(host);
  const serverName = host.replace(/\.$/, '');
  const places = [...new Set(records.map(({ address }) => address))].map((address) => ({ host: address, serverName }));
  return { places, ttlMs: Math.min(...records.map(({ ttl }) => ttl)) * 1000 };
}
