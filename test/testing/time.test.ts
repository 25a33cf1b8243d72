import { expect } from 'chai';
import { manualClock, seededRandom } from '@ferrule/testing';

describe('manualClock', () => {
  it('stands still until it is told to move', async () => {
    const clock = manualClock({ now: 5, wallTime: 1_000 });
    expect([clock.now(), clock.wallTime()]).to.deep.equal([5, 1_000]);
    await clock.advance(20);
    expect([clock.now(), clock.wallTime()]).to.deep.equal([25, 1_020]);
  });

  it('fires in the order of due times, equal ones in the order they were made, each at its own time', async () => {
    const clock = manualClock();
    const fired: string[] = [];
    const at = (delay: number, name: string) => clock.schedule(delay, () => fired.push(`${name}@${clock.now()}`));
    at(30, 'late');
    at(10, 'first');
    at(10, 'second');
    at(31, 'never');
    await clock.advance(30);
    expect(fired).to.deep.equal(['first@10', 'second@10', 'late@30']);
    expect(clock.pending).to.equal(1);
  });

  it('lets promises run between two timers, so that timers made meanwhile fire in their place', async () => {
    const clock = manualClock();
    const fired: string[] = [];
    clock.schedule(10, () => {
      void Promise.resolve()
        .then(() => Promise.resolve())
        .then(() => clock.schedule(5, () => fired.push(`made@${clock.now()}`)));
    });
    clock.schedule(20, () => fired.push(`known@${clock.now()}`));
    await clock.advance(20);
    expect(fired).to.deep.equal(['made@15', 'known@20']);
  });

  it('forgets a cancelled timer, also one cancelled by another of the same moment', async () => {
    const clock = manualClock();
    let fired = 0;
    const victim = clock.schedule(10, () => fired++);
    clock.schedule(5, () => victim.cancel());
    await clock.advance(10);
    victim.cancel();
    expect([fired, clock.pending]).to.deep.equal([0, 0]);
  });

  it('queues calls made while one is under way', async () => {
    const clock = manualClock();
    const seen: number[] = [];
    clock.schedule(10, () => seen.push(clock.now()));
    clock.schedule(15, () => seen.push(clock.now()));
    await Promise.all([clock.advance(10), clock.advance(5)]);
    expect(seen).to.deep.equal([10, 15]);
  });

  it('hands on what a callback throws, and can be used further', async () => {
    const clock = manualClock();
    clock.schedule(1, () => {
      throw new Error('boom');
    });
    const failed: unknown = await clock.advance(5).catch((error: unknown) => error);
    expect(failed).to.have.property('message', 'boom');
    await clock.advance(5);
    expect(clock.now()).to.equal(6);
  });

  it('refuses to go back, naming the value', async () => {
    const failed: unknown = await manualClock()
      .advance(-1)
      .catch((error: unknown) => error);
    expect(failed)
      .to.be.instanceOf(RangeError)
      .with.property('message')
      .that.matches(/-1 is no span of time/);
  });
});

describe('seededRandom', () => {
  it('gives the same numbers for the same seed and others for another', () => {
    const draw = (seed: number) => Array.from({ length: 5 }, seededRandom(seed));
    expect(draw(7)).to.deep.equal(draw(7));
    expect(draw(7)).to.not.deep.equal(draw(8));
  });

  for (const seed of [0, 1, -1, 2 ** 31]) {
    it(`is spread evenly over [0, 1) with seed ${seed}`, () => {
      const random = seededRandom(seed);
      const buckets = new Array<number>(10).fill(0);
      for (let i = 0; i < 20_000; i++) {
        const value = random();
        expect(value >= 0 && value < 1).to.equal(true);
        buckets[Math.floor(value * 10)]!++;
      }
      // chi-square with 9 degrees of freedom: 27.9 is exceeded once in 1,000 seeds, and these are fixed
      const chi = buckets.reduce((sum, count) => sum + (count - 2_000) ** 2 / 2_000, 0);
      expect(chi).to.be.below(27.9);
    });
  }

  it('the bar above is missed by a generator that is not even', () => {
    const random = seededRandom(1);
    const buckets = new Array<number>(10).fill(0);
    for (let i = 0; i < 20_000; i++) buckets[Math.floor(random() ** 1.05 * 10)]!++;
    expect(buckets.reduce((sum, count) => sum + (count - 2_000) ** 2 / 2_000, 0)).to.be.above(27.9);
  });
});
