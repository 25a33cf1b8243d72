import { createHash } from 'node:crypto';
import type { Instance } from '@ferrule/core';
import { MOST_SNAPSHOT_BYTES, checkInstance, decodeSnapshot, encodeSnapshot } from '@ferrule/core/adapter';
import { expect } from 'chai';

const AT = 1_790_000_000_000;
const INSTANCE: Instance = checkInstance({
  id: 'orders-1',
  service: 'orders',
  version: '1.2.3',
  scheme: 'https',
  host: '::1',
  port: 8443,
  weight: 0,
  priority: 2,
  zone: 'eu-1a',
  tags: ['blue'],
  metadata: JSON.parse('{ "region": "eu", "__proto__": "a key like others" }') as Record<string, string>,
  status: 'warn',
});

/** A text with a checksum that fits, whatever the body. */
function sealed(body: string, at: number | string = AT): string {
  return `ferrule-list 1 ${at} ${createHash('sha256').update(`${at}\n${body}`).digest('hex')}\n${body}`;
}

describe('the text of a stored list', () => {
  it('gives back what went in, frozen', () => {
    const decoded = decodeSnapshot(encodeSnapshot({ service: 'orders', instances: [INSTANCE], at: AT }), 'orders');
    expect(decoded).to.deep.equal({ service: 'orders', instances: [INSTANCE], at: AT });
    expect(Object.isFrozen(decoded.instances) && Object.isFrozen(decoded.instances[0])).to.equal(true);
  });

  it('gives back an empty list', () => {
    expect(decodeSnapshot(encodeSnapshot({ service: 'orders', instances: [], at: AT }), 'orders').instances).to.deep.equal([]);
  });

  it('leaves out fields that it does not know, which a newer process may have added', () => {
    const body = JSON.stringify({ service: 'orders', instances: [{ ...INSTANCE, lane: 'fast' }], region: 'eu' });
    expect(decodeSnapshot(sealed(body), 'orders').instances).to.deep.equal([INSTANCE]);
  });

  it('holds whole milliseconds', () => {
    expect(decodeSnapshot(encodeSnapshot({ service: 'orders', instances: [], at: AT + 0.7 }), 'orders').at).to.equal(AT);
  });

  for (const at of [Number.NaN, -1, 1e15, Number.POSITIVE_INFINITY])
    it(`is not made of a list of ${at}`, () => {
      expect(() => encodeSnapshot({ service: 'orders', instances: [], at })).to.throw(RangeError, 'is no time');
    });

  it('is not made longer than it may be read', () => {
    const instances = Array.from({ length: 2_100 }, (_, n) => ({ ...INSTANCE, id: `orders-${n}`, metadata: { note: 'x'.repeat(4_000) } }));
    expect(() => encodeSnapshot({ service: 'orders', instances, at: AT })).to.throw(RangeError, `longer than ${MOST_SNAPSHOT_BYTES} bytes`);
  });

  const good = encodeSnapshot({ service: 'orders', instances: [INSTANCE], at: AT });
  const listOf = (...instances: unknown[]): string => sealed(JSON.stringify({ service: 'orders', instances }));
  const rejected: Readonly<Record<string, readonly [text: string, why: string]>> = {
    nothing: ['', 'does not begin'],
    'no list at all': ['hello', 'does not begin'],
    'JSON without a header': [JSON.stringify({ service: 'orders', instances: [] }), 'does not begin'],
    'a list of another format': [good.replace('ferrule-list 1', 'ferrule-list 2'), 'does not begin'],
    'a list that was cut': [good.slice(0, -5), 'checksum'],
    'a changed body': [good.replace('8443', '8444'), 'checksum'],
    'a changed time': [good.replace(String(AT), String(AT + 1)), 'checksum'],
    'a time that is no number': [sealed('{}', '17e9'), 'does not begin'],
    'a body that is no JSON': [sealed('{"service":'), 'JSON'],
    null: [sealed('null'), 'holds no list'],
    'a list alone': [sealed('[]'), 'holds no list'],
    'no instances': [sealed('{"service":"orders"}'), 'holds no list'],
    'instances by name': [sealed('{"service":"orders","instances":{"0":{}}}'), 'holds no list'],
    'a prototype': [sealed('{"__proto__":{"polluted":1},"service":"orders","instances":[]}'), 'holds no list'],
    'the list of another service': [sealed('{"service":"users","instances":[]}'), 'another service'],
    'an instance that is null': [listOf(null), 'no plain object'],
    'an instance with a prototype': [listOf(JSON.parse('{"__proto__":{"host":"evil"},"id":"a"}')), 'no plain object'],
    'an instance of another service': [listOf({ ...INSTANCE, service: 'users' }), 'another service'],
    'an instance that is no one': [listOf({ ...INSTANCE, port: '8443' }), 'instance.port'],
    'a host that is a URL': [listOf({ ...INSTANCE, host: 'http://evil/' }), 'instance.host'],
    'two instances with one id': [listOf(INSTANCE, INSTANCE), 'same id'],
    'more than it may be': [sealed(`"${'x'.repeat(MOST_SNAPSHOT_BYTES)}"`), 'longer than'],
  };
  for (const [what, [text, why]] of Object.entries(rejected))
    it(`is refused when it is ${what}`, () => {
      expect(() => decodeSnapshot(text, 'orders')).to.throw(Error, why);
      expect(({} as { polluted?: unknown }).polluted).to.equal(undefined);
    });
});
