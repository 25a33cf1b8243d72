import { expect } from 'chai';
import { fc } from '../support/fast-check.js';
import { Life } from '@ferrule/core/adapter';
import type { End } from '@ferrule/core/adapter';

const done: End = { kind: 'done', bytes: 0 };

/** The messages of the errors that nobody catches while `work` is done and its microtasks run; mocha's own listener is put aside. */
async function uncaughtOf(work: () => void): Promise<string[]> {
  const messages: string[] = [];
  const before = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => messages.push(error.message));
  try {
    work();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of before) process.on('uncaughtException', listener);
  }
  return messages;
}

describe('Life', () => {
  it('tells its end once, with the first end that was given', () => {
    const life = new Life();
    const heard: End[] = [];
    life.onEnd((end) => heard.push(end));
    life.end({ kind: 'aborted', bytes: 3 });
    life.end(done);
    expect(heard).to.deep.equal([{ kind: 'aborted', bytes: 3 }]);
  });

  it('tells a listener that comes late at once', () => {
    const life = new Life();
    life.end(done);
    const heard: End[] = [];
    life.onEnd((end) => heard.push(end));
    expect(heard).to.deep.equal([done]);
    expect(life.ended).to.equal(true);
  });

  it('ends only after its branches, so that a permit stays taken for work that still runs', () => {
    const life = new Life();
    const branch = new Life(life);
    let ended = false;
    life.onEnd(() => (ended = true));
    life.end(done);
    expect(ended).to.equal(false);
    branch.end(done);
    expect(ended).to.equal(true);
  });

  it('aborts its branches, but not its parent', () => {
    const parent = new Life();
    const life = new Life(parent);
    const branch = new Life(life);
    life.abort('why');
    expect([parent.aborted, life.aborted, branch.aborted]).to.deep.equal([false, true, true]);
    expect(branch.reason).to.equal('why');
  });

  it('aborts a branch that is made after the abort', () => {
    const life = new Life();
    life.abort('why');
    const branch = new Life(life);
    expect(branch.aborted).to.equal(true);
    expect(branch.signal.reason).to.equal('why');
  });

  it('is not aborted by what comes after its end', () => {
    const life = new Life();
    life.end(done);
    life.abort('late');
    expect(life.aborted).to.equal(false);
  });

  it('calls abort listeners once, and not those that were taken back', () => {
    const life = new Life();
    const heard: string[] = [];
    life.onAbort(() => heard.push('kept'));
    const forget = life.onAbort(() => heard.push('taken back'));
    forget();
    life.abort('why');
    life.abort('again');
    expect(heard).to.deep.equal(['kept']);
  });

  it('makes a signal only when asked, and it tells the same story', () => {
    const life = new Life();
    const { signal } = life;
    expect(signal.aborted).to.equal(false);
    life.abort('why');
    expect(signal.aborted).to.equal(true);
    expect(signal.reason).to.equal('why');
    expect(life.signal).to.equal(signal);
  });

  it('tells all who wait for the end, in the order in which they came, whatever else it was asked', () => {
    for (const between of [
      () => {},
      (life: Life) => void life.signal,
      (life: Life) => void life.onAbort(() => {}),
      (life: Life) => life.onAnswered(() => {}),
      (life: Life) => [new Life(life), new Life(life)].forEach((branch) => branch.end(done)),
    ]) {
      const life = new Life();
      const heard: number[] = [];
      life.onEnd(() => heard.push(1));
      between(life);
      life.onEnd(() => heard.push(2));
      life.onEnd(() => life.onEnd(() => heard.push(4)));
      life.onEnd(() => heard.push(3));
      life.end(done);
      expect(heard).to.have.members([1, 2, 3, 4]);
      expect(heard[0]).to.equal(1);
    }
  });

  it('a life that waits for its end is aborted like any other', () => {
    const life = new Life();
    life.onEnd(() => {});
    expect([life.aborted, life.reason]).to.deep.equal([false, undefined]);
    const branches = [new Life(life), new Life(life), new Life(life)];
    branches[0]!.end(done);
    life.abort('why');
    expect([life.aborted, ...branches.map(({ aborted }) => aborted)]).to.deep.equal([true, false, true, true]);
    const late = new Life(life);
    expect([late.aborted, late.reason]).to.deep.equal([true, 'why']);
  });

  it('ends a random tree exactly when the last of it has ended, whatever the order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 40 }), fc.infiniteStream(fc.nat()), (parents, order) => {
        const lives = [new Life()];
        for (const parent of parents) lives.push(new Life(lives[parent % lives.length]));
        const endings: number[] = [];
        lives.forEach((life, index) => life.onEnd(() => endings.push(index)));
        const left = lives.map((_, index) => index);
        while (left.length > 0) {
          expect(endings).to.not.include(0);
          const [chosen] = left.splice(order.next().value % left.length, 1);
          lives[chosen!]!.end(done);
        }
        expect(endings).to.have.length(lives.length);
        expect(endings.at(-1)).to.equal(0);
      }),
    );
  });

  it('a listener that throws keeps neither the others nor the branches from hearing; its error is an uncaught one', async () => {
    const life = new Life();
    const branch = new Life(life);
    const heard: string[] = [];
    const bug = (): never => {
      throw new Error('bug');
    };
    for (const [name, one] of [
      ['call', life],
      ['branch', branch],
    ] as const) {
      one.onAbort(bug);
      one.onAbort(() => heard.push(`${name} aborted`));
      one.onAnswered(bug);
      one.onAnswered(() => heard.push(`${name} answered`));
      one.onOwnEnd(bug);
      one.onOwnEnd(() => heard.push(`${name} itself ended`));
      one.onEnd(bug);
      one.onEnd(() => heard.push(`${name} ended`));
    }
    const uncaught = await uncaughtOf(() => {
      branch.answered(200);
      life.abort('why');
      branch.end(done);
      life.end(done);
    });
    expect(heard).to.deep.equal([
      'branch answered',
      'call answered',
      'call aborted',
      'branch aborted',
      'branch itself ended',
      'branch ended',
      'call itself ended',
      'call ended',
    ]);
    expect(uncaught).to.deep.equal(Array.from({ length: 8 }, () => 'bug'));
  });
});
