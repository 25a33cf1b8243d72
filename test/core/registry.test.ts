import { expect } from 'chai';
import { newest } from '@ferrule/core/adapter';
import type { Sink } from '@ferrule/core/adapter';

describe('newest', () => {
  const source = () => {
    let sink: Sink<number> | undefined;
    let ended = 0;
    const ending = new AbortController();
    const values = newest<number>(ending.signal, (given) => {
      sink = given;
      return () => void ended++;
    })[Symbol.asyncIterator]();
    return {
      values,
      ending,
      push: (value: number) => sink!.push(value),
      fail: (error: unknown) => sink!.fail(error),
      started: () => sink !== undefined,
      ended: () => ended,
    };
  };

  it('subscribes with the first next, and unsubscribes once', async () => {
    const { values, ending, push, started, ended } = source();
    expect(started()).to.equal(false);
    const first = values.next();
    push(1);
    expect(await first).to.deep.equal({ done: false, value: 1 });
    ending.abort();
    await values.return!();
    expect(await values.next()).to.deep.equal({ done: true, value: undefined });
    expect(ended()).to.equal(1);
  });

  it('hands out the value before a failure, then the failure, then the end', async () => {
    const { values, push, fail, ended } = source();
    const first = values.next();
    push(1);
    await first;
    push(2);
    push(3);
    fail(new Error('lost'));
    push(4);
    expect((await values.next()).value).to.equal(3);
    const error: unknown = await values.next().catch((thrown: unknown) => thrown);
    expect(error).to.be.an('error').with.property('message', 'lost');
    expect((await values.next()).done).to.equal(true);
    expect(ended()).to.equal(1);
  });

  it('answers several readers that wait, in their order', async () => {
    const { values, push } = source();
    const both = Promise.all([values.next(), values.next()]);
    push(1);
    push(2);
    expect(await both).to.deep.equal([
      { done: false, value: 1 },
      { done: false, value: 2 },
    ]);
  });

  it('fails when subscribing fails', async () => {
    const values = newest(new AbortController().signal, () => {
      throw new Error('closed');
    });
    const error: unknown = await values[Symbol.asyncIterator]()
      .next()
      .catch((thrown: unknown) => thrown);
    expect(error).to.be.an('error').with.property('message', 'closed');
  });
});
