import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';
import { Resolver } from 'node:dns/promises';

export interface DnsRecord {
  readonly type: 'A' | 'AAAA' | 'SRV';
  readonly ttl: number;
  /** An address, or `priority weight port target`. */
  readonly data: string;
}

/** A DNS server on loopback that answers as it is told (RFC 1035; no compression but the pointer to the question). */
export interface DnsServer extends AsyncDisposable {
  /** Asks this server alone. */
  readonly resolver: Resolver;
  /** Every question so far, such as `A users.test`. */
  readonly questions: readonly string[];
  /** What a name has; a name that has nothing does not exist. */
  set(name: string, ...records: readonly DnsRecord[]): void;
  /** Answers SERVFAIL, or not at all, until it is told otherwise. */
  fail(how: 'servfail' | 'silent' | false): void;
}

const TYPES: Readonly<Record<number, DnsRecord['type']>> = { 1: 'A', 28: 'AAAA', 33: 'SRV' };
const SERVFAIL = 2;
const NXDOMAIN = 3;

export const a = (address: string, ttl = 60): DnsRecord => ({ type: isIPv4(address) ? 'A' : 'AAAA', ttl, data: address });
export const srv = (data: string, ttl = 60): DnsRecord => ({ type: 'SRV', ttl, data });

export async function dnsServer(): Promise<DnsServer> {
  const names = new Map<string, readonly DnsRecord[]>();
  const questions: string[] = [];
  let failing: 'servfail' | 'silent' | false = false;
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const { name, end } = nameAt(query, 12);
    const type = query.readUInt16BE(end);
    questions.push(`${TYPES[type]} ${name}`);
    if (failing === 'silent') return;
    const records = names.get(name);
    const answers = failing === 'servfail' ? [] : (records ?? []).filter((record) => record.type === TYPES[type]);
    const code = failing === 'servfail' ? SERVFAIL : records === undefined ? NXDOMAIN : 0;
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8580 | code, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(answers.length, 6);
    socket.send(Buffer.concat([head, query.subarray(12, end + 4), ...answers.map((record) => encoded(type, record))]), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const resolver = new Resolver({ timeout: 1_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  return {
    resolver,
    questions,
    set: (name, ...records) => void (records.length === 0 ? names.delete(name) : names.set(name, records)),
    fail: (how) => void (failing = how),
    async [Symbol.asyncDispose]() {
      resolver.cancel();
      socket.close();
      await once(socket, 'close');
    },
  };
}

function nameAt(message: Buffer, from: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = from;
  for (let length = message[at]!; length > 0; length = message[at]!) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}

function encoded(type: number, { ttl, data }: DnsRecord): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0); // the name of the question
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(ttl, 6);
  const body = TYPES[type] === 'SRV' ? service(data) : address(data);
  head.writeUInt16BE(body.length, 10);
  return Buffer.concat([head, body]);
}

function service(data: string): Buffer {
  const [priority, weight, port, target] = data.split(' ');
  const numbers = Buffer.alloc(6);
  for (const [index, number] of [priority, weight, port].entries()) numbers.writeUInt16BE(Number(number), index * 2);
  const labels = target!.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)]));
  return Buffer.concat([numbers, ...labels, Buffer.from([0])]);
}

function address(data: string): Buffer {
  if (isIPv4(data)) return Buffer.from(data.split('.').map(Number));
  const [left = '', right] = data.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const middle = right === undefined ? [] : Array<string>(8 - groups(left).length - groups(right).length).fill('0');
  return Buffer.from([...groups(left), ...middle, ...groups(right ?? '')].flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]));
}
