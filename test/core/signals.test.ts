import { EventEmitter } from 'node:events';
import { expect } from 'chai';
import { stopOnSignals } from '@ferrule/core/adapter';
import type { SignalSource, StopSignal } from '@ferrule/core/adapter';

class Process extends EventEmitter implements SignalSource {
  readonly exits: (number | undefined)[] = [];
  exitCode: number | undefined;
  exit(code?: number): void {
    this.exits.push(code ?? this.exitCode);
  }
}

/** A stop that ends when it is told to. */
function stoppable() {
  const signals: StopSignal[] = [];
  let end!: (inOrder: boolean) => void;
  const ended = new Promise<boolean>((resolve) => (end = resolve));
  return { signals, end, stop: (signal: StopSignal) => (signals.push(signal), ended) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('signals', () => {
  let source: Process;
  beforeEach(() => (source = new Process()));

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`${signal} stops once, and the process exits when that has ended`, async () => {
      const one = stoppable();
      stopOnSignals(one.stop, 1_000, source);
      source.emit(signal, signal);
      await turn();
      expect([one.signals, source.exits]).to.deep.equal([[signal], []]);
      one.end(true);
      await turn();
      expect([source.exits, source.listenerCount('SIGTERM'), source.listenerCount('SIGINT')]).to.deep.equal([[undefined], 0, 0]);
    });
  }

  for (const [first, second, code] of [
    ['SIGTERM', 'SIGTERM', 143],
    ['SIGINT', 'SIGINT', 130],
    ['SIGINT', 'SIGTERM', 143],
    ['SIGTERM', 'SIGINT', 130],
  ] as const) {
    it(`a ${second} after ${first} exits at once with ${code}`, () => {
      const one = stoppable();
      stopOnSignals(one.stop, 1_000, source);
      source.emit(first, first);
      source.emit(second, second);
      expect([one.signals, source.exits]).to.deep.equal([[first], [code]]);
    });
  }

  it('several services each stop, and the last of them ends the process', async () => {
    const [a, b] = [stoppable(), stoppable()];
    stopOnSignals(a.stop, 1_000, source);
    stopOnSignals(b.stop, 1_000, source);
    source.emit('SIGTERM', 'SIGTERM');
    a.end(true);
    await turn();
    expect(source.exits).to.deep.equal([]);
    b.end(true);
    await turn();
    expect(source.exits).to.deep.equal([undefined]);
  });

  it('a hundred services add one listener for each signal, and take it away with the last', async () => {
    const all = Array.from({ length: 100 }, stoppable);
    const removes = all.map(({ stop }) => stopOnSignals(stop, 1_000, source));
    expect([source.listenerCount('SIGTERM'), source.listenerCount('SIGINT')]).to.deep.equal([1, 1]);
    for (const remove of removes.slice(0, 50)) remove();
    source.emit('SIGTERM', 'SIGTERM');
    expect(all.map(({ signals }) => signals.length)).to.deep.equal([...Array<number>(50).fill(0), ...Array<number>(50).fill(1)]);
    for (const { end } of all.slice(1)) end(true);
    await turn();
    expect([source.listenerCount('SIGTERM'), source.listenerCount('SIGINT'), source.exits.length]).to.deep.equal([0, 0, 1]);
  });

  it('a service that stopped by itself leaves no listener, and does not end the process', async () => {
    const [a, b] = [stoppable(), stoppable()];
    const remove = stopOnSignals(a.stop, 1_000, source);
    stopOnSignals(b.stop, 1_000, source);
    remove();
    expect([source.listenerCount('SIGTERM'), source.listenerCount('SIGINT')]).to.deep.equal([1, 1]);
    source.emit('SIGINT', 'SIGINT');
    expect([a.signals, b.signals]).to.deep.equal([[], ['SIGINT']]);
  });

  it('exits with 1 when the stop did not end in order, unless the app has set a code', async () => {
    const one = stoppable();
    stopOnSignals(one.stop, 1_000, source);
    source.emit('SIGTERM', 'SIGTERM');
    one.end(false);
    await turn();
    expect(source.exits).to.deep.equal([1]);

    const other = Object.assign(new Process(), { exitCode: 7 });
    const two = stoppable();
    stopOnSignals(two.stop, 1_000, other);
    other.emit('SIGTERM', 'SIGTERM');
    two.end(false);
    await turn();
    expect(other.exits).to.deep.equal([7]);
  });

  it('leaves the end of the process to an app that listens itself', async () => {
    const one = stoppable();
    source.on('SIGTERM', () => {});
    stopOnSignals(one.stop, 60_000, source);
    source.emit('SIGTERM', 'SIGTERM');
    one.end(true);
    await turn();
    expect([source.exits, source.listenerCount('SIGTERM')]).to.deep.equal([[], 1]);
  });
});
