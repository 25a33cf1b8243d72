import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { DeadlineWheel, QueuedTimer, TimerQueue } from '@ferrule/core/adapter';
import type { Clock } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';

class Entry extends QueuedTimer {
  readonly #expired: () => void;

  constructor(expired: () => void) {
    super();
    this.#expired = expired;
  }

  override expire(): void {
    this.#expired();
  }
}

describe('TimerQueue', () => {
  it('expires entries in the order they were added, each one delay after it was', async () => {
    const clock = manualClock();
    const queue = new TimerQueue(100, clock);
    const heard: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      queue.add(new Entry(() => heard.push(`${name}@${clock.now()}`)));
      await clock.advance(10);
    }
    await clock.advance(200);
    expect(heard).to.deep.equal(['a@100', 'b@110', 'c@120']);
    expect(clock.pending).to.equal(0);
  });

  it('asks the clock for one timer however many entries wait', async () => {
    const clock = manualClock();
    const queue = new TimerQueue(100, clock);
    const entries = Array.from({ length: 1000 }, () => new Entry(() => expect.fail('was cancelled')));
    for (const entry of entries) queue.add(entry);
    expect(clock.pending).to.equal(1);
    expect(queue.size).to.equal(1000);
    for (const entry of entries) entry.cancel();
    expect(queue.size).to.equal(0);
    await clock.advance(100);
    expect(clock.pending, 'an idle queue is rid of its timer one delay later').to.equal(0);
  });

  it('holds the process while an entry waits that somebody awaits, and no longer', async () => {
    const clock = manualClock();
    let holds = false;
    const watched: Clock = {
      ...clock,
      schedule(delayMs, callback, options) {
        holds = options?.ref === true;
        const timer = clock.schedule(delayMs, () => {
          holds = false; // as Node forgets a timer that has fired
          callback();
        });
        return { cancel: () => timer.cancel(), ref: () => void (holds = true), unref: () => void (holds = false) };
      },
    };
    const queue = new TimerQueue(100, watched);
    const [first, second, background] = [1, 2, 3].map(() => new Entry(() => {})) as [Entry, Entry, Entry];
    background.holds = false;
    const seen: boolean[] = [];
    const after = async (step: () => unknown): Promise<void> => {
      await step();
      seen.push(holds);
    };
    await after(() => queue.add(background));
    await after(() => queue.add(first));
    await after(() => queue.add(second));
    await after(() => first.cancel());
    await after(() => second.cancel());
    await after(() => clock.advance(50));
    await after(() => queue.add(first));
    await after(() => clock.advance(60)); // the background one has expired, and the timer was made anew for the first
    await after(() => clock.advance(60));
    expect(seen).to.deep.equal([false, true, true, true, false, false, true, true, false]);
    expect(clock.pending).to.equal(0);
  });

  it('lets go of a cancelled entry at once', () => {
    const queue = new TimerQueue(1000, manualClock());
    const entry = new Entry(() => {});
    queue.add(new Entry(() => {}));
    queue.add(entry);
    queue.add(new Entry(() => {}));
    entry.cancel();
    entry.cancel();
    expect(queue.size).to.equal(2);
    expect(entry).to.include({ queuedIn: undefined, before: undefined, after: undefined });
  });

  it('goes on when an entry adds another or takes one back while it expires', async () => {
    const clock = manualClock();
    const queue = new TimerQueue(10, clock);
    const heard: string[] = [];
    const doomed = new Entry(() => heard.push('doomed'));
    queue.add(
      new Entry(() => {
        heard.push('first');
        doomed.cancel();
        queue.add(new Entry(() => heard.push('second')));
      }),
    );
    queue.add(doomed);
    await clock.advance(30);
    expect(heard).to.deep.equal(['first', 'second']);
  });

  it('refuses a delay of nothing', () => {
    expect(() => new TimerQueue(0)).to.throw(RangeError, 'TimerQueue delayMs: 0');
  });
});

/** Both, against a list that is searched from end to end. */
const step = fc.oneof(
  fc.record({ do: fc.constant('add' as const), delayMs: fc.integer({ min: 1, max: 5000 }) }),
  fc.record({ do: fc.constant('cancel' as const), which: fc.nat() }),
  fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 1500 }) }),
);

for (const [name, make] of [
  [
    'TimerQueue',
    (clock: ReturnType<typeof manualClock>) => {
      const queue = new TimerQueue(700, clock);
      return { add: (entry: QueuedTimer) => (queue.add(entry), clock.now() + 700), size: () => queue.size };
    },
  ],
  [
    'DeadlineWheel',
    (clock: ReturnType<typeof manualClock>) => {
      const wheel = new DeadlineWheel(clock);
      return {
        add: (entry: QueuedTimer, delayMs: number) => (wheel.add(entry, clock.now() + delayMs), clock.now() + delayMs),
        size: () => wheel.size,
      };
    },
  ],
] as const) {
  it(`${name} expires exactly what was not cancelled, when it is due`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const clock = manualClock();
        const timers = make(clock);
        const all: { due: number; entry: Entry; state: 'waiting' | 'cancelled' | 'expired'; at?: number }[] = [];
        for (const now of steps) {
          if (now.do === 'add') {
            const one = {
              due: 0,
              state: 'waiting' as 'waiting' | 'cancelled' | 'expired',
              at: -1,
              entry: new Entry(() => ((one.state = 'expired'), (one.at = clock.now()))),
            };
            one.due = timers.add(one.entry, now.delayMs);
            all.push(one);
          } else if (now.do === 'cancel' && all.length > 0) {
            const one = all[now.which % all.length]!;
            one.entry.cancel();
            if (one.state === 'waiting') one.state = 'cancelled';
          } else if (now.do === 'advance') await clock.advance(now.ms);
          for (const one of all) {
            if (one.state === 'waiting') expect(one.due).to.be.greaterThan(clock.now());
            if (one.state === 'expired') expect(one.at).to.equal(one.due);
          }
          expect(timers.size()).to.equal(all.filter((one) => one.state === 'waiting').length);
        }
        await clock.advance(20_000);
        expect(clock.pending).to.equal(0);
      }),
      { numRuns: 60 },
    );
  });
}

describe('DeadlineWheel', () => {
  it('has one timer of the clock a power of two, not one an entry', () => {
    const clock = manualClock();
    const wheel = new DeadlineWheel(clock);
    for (let delayMs = 1; delayMs <= 4096; delayMs++) wheel.add(new Entry(() => {}), delayMs);
    expect(wheel.size).to.equal(4096);
    expect(clock.pending).to.equal(13);
  });

  it('never expires before a deadline between two milliseconds, and within 2 ms after it', async () => {
    const clock = manualClock({ now: 0.25 });
    const wheel = new DeadlineWheel(clock);
    const at = await new Promise<number>((resolve) => {
      wheel.add(new Entry(() => resolve(clock.now())), 1000.6);
      void clock.advance(2000);
    });
    expect(at).to.be.within(1000.6, 1002.6);
  });
});
