import { expect } from 'chai';
import { Life, sleep, systemClock, toMs } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';

describe('a duration', () => {
  for (const [text, ms] of [
    [0, 0],
    [250, 250],
    ['500ms', 500],
    ['2s', 2_000],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['1d', 86_400_000],
    ['250us', 0.25],
    ['10ns', 0.00001],
    ['PT1M30S', 90_000],
    ['PT0.5S', 500],
    ['PT1H', 3_600_000],
  ] as const) {
    it(`${JSON.stringify(text)} is ${ms} ms`, () => expect(toMs(text, 'timeout')).to.be.closeTo(ms, 1e-9));
  }

  for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '', '500', '5 s', 'PT', '-5s', '1M', '30d', {}, null] as const) {
    it(`${JSON.stringify(wrong)} is none, and the message names the option, the value and the remedy`, () => {
      expect(() => toMs(wrong as never, 'timeout')).to.throw(TypeError, /^timeout: .*is no duration\. Give/);
    });
  }
});

describe('sleep', () => {
  it('resolves when the time has passed, and leaves no listener', async () => {
    const clock = manualClock();
    const life = new Life();
    const slept = sleep(100, life, clock);
    await clock.advance(100);
    await slept;
    expect(clock.pending).to.equal(0);
  });

  it('rejects at once with the reason when it is cut short, and leaves no timer', async () => {
    const clock = manualClock();
    const life = new Life();
    const slept = sleep(100, life, clock);
    const reason = new Error('enough');
    life.abort(reason);
    expect(await slept.catch((error: unknown) => error)).to.equal(reason);
    expect(clock.pending).to.equal(0);
    expect(await sleep(1, life, clock).catch((error: unknown) => error)).to.equal(reason);
  });
});

describe('the system clock', () => {
  it('never goes backwards and calls back once', async () => {
    const before = systemClock.now();
    await new Promise<void>((resolve) => {
      systemClock.schedule(1, resolve);
      setImmediate(function keepAlive() {
        // its timers never keep the process alive, so the test does
        if (systemClock.now() - before < 20) setImmediate(keepAlive);
      });
    });
    expect(systemClock.now()).to.be.at.least(before);
  });

  it('has recent readings that do not go back, and are no more than a turn and 10 ms behind', async () => {
    let last = systemClock.recent!();
    for (let turn = 0; turn < 5; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 12));
      const recent = systemClock.recent!();
      expect(recent).to.be.at.least(last);
      expect(recent).to.be.at.most(systemClock.now());
      last = recent;
    }
    // However late the timers of a busy machine are, it moves on.
    while (systemClock.recent!() === last) await new Promise((resolve) => setTimeout(resolve, 12));
  });
});
