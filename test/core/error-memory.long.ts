import { expect } from 'chai';
import { ServiceError, errorAggregator, errorMonitor } from '@ferrule/core';

const MANY = 1_000_000;
const MOST_GROWTH = 20 * 2 ** 20;

const heap = (): number => {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().heapUsed;
};

/** The same with fewer is in error-monitor.test.ts and error-aggregator.test.ts. */
describe('under a million distinct errors', () => {
  it('a monitor keeps its size', function () {
    this.timeout(120_000);
    const monitor = errorMonitor({ rules: [{ threshold: 1e9, per: 'operation' }] });
    const error = new ServiceError('UNAVAILABLE', 'x');
    for (let i = 0; i < 2_000; i++) monitor.record(error, { service: `w${i}`, operation: 'o' });
    const before = heap();
    for (let i = 0; i < MANY; i++) monitor.record(error, { service: `s${i}`, operation: `o${i}` });
    expect(monitor.stats().keys).to.deep.equal({ services: 500, operations: 500 });
    expect(heap() - before).to.be.below(MOST_GROWTH);
  });

  it('an aggregator keeps its size', function () {
    this.timeout(120_000);
    const aggregator = errorAggregator();
    const word = (n: number): string => n.toString(36).replace(/\d/g, (digit) => 'ghijklmnop'[Number(digit)]!);
    for (let i = 0; i < 2_000; i++) aggregator.record(`warm ${word(i)}`, { service: `s${i}` });
    const before = heap();
    for (let i = 0; i < MANY; i++) aggregator.record(`message ${word(i)}`, { service: `s${i}` });
    expect(aggregator.stats()).to.include({ events: 1_000, groups: 500, recorded: MANY + 2_000 });
    expect(heap() - before).to.be.below(MOST_GROWTH);
  });
});
