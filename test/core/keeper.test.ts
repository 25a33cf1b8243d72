import { expect } from 'chai';
import { ServiceError } from '@ferrule/core';
import type { Instance } from '@ferrule/core';
import { keeper } from '@ferrule/core/adapter';
import type { KeptEntry } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';

const INSTANCE: Instance = { id: '1', service: 'orders', host: '127.0.0.1', port: 8080 };
const away = new ServiceError('UNAVAILABLE', 'the backend is away');

/** A backend that does what it is told; `random` 0.5 makes a turn exactly `everyMs` and a wait half its bound. */
function scene() {
  const clock = manualClock();
  const done: string[] = [];
  const backend = {
    error: undefined as Error | undefined,
    found: 'kept' as 'kept' | 'gone' | 'taken',
    /** Holds back what is asked for until it is called. */
    gate: undefined as Promise<void> | undefined,
  };
  const act = async (what: string): Promise<void> => {
    done.push(`${what} ${clock.now()}`);
    await backend.gate;
    if (backend.error !== undefined) throw backend.error;
  };
  const entry: KeptEntry = {
    put: (instance) => act(`put ${instance.status ?? 'pass'}`),
    async renew() {
      await act('renew');
      return backend.found;
    },
    remove: () => act('remove'),
  };
  const warnings: string[] = [];
  const logger = { debug: () => {}, info: () => {}, warn: (_fields: object, message: string) => void warnings.push(message), error: () => {} };
  const make = (after?: Promise<void>) => keeper(INSTANCE, entry, { everyMs: 10_000, clock, random: () => 0.5, logger, after });
  return { clock, done, backend, entry, warnings, make };
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('a keeper', () => {
  it('writes, then renews every turn', async () => {
    const { make, clock, done } = scene();
    await make().begin();
    await clock.advance(25_000);
    expect(done).to.deep.equal(['put pass 0', 'renew 10000', 'renew 20000']);
  });

  it('retries the first write with backoff while the backend is away', async () => {
    const { make, clock, done, backend, warnings } = scene();
    backend.error = away;
    const begun = make().begin();
    await clock.advance(1_000);
    expect(warnings, 'said once').to.deep.equal(['Registering failed; trying again']);
    backend.error = undefined;
    await clock.advance(1_000);
    await begun;
    expect(done).to.deep.equal(['put pass 0', 'put pass 250', 'put pass 750', 'put pass 1750']);
  });

  it('gives up at once when trying again is useless, and leaves nothing behind', async () => {
    const { make, clock, done, backend } = scene();
    backend.error = new ServiceError('PERMISSION_DENIED', 'no');
    expect(await rejection(make().begin())).to.equal(backend.error);
    await clock.advance(100_000);
    expect(done).to.deep.equal(['put pass 0', 'remove 0']);
    expect(clock.pending).to.equal(0);
  });

  it('gives up when its signal aborts: while it waits, and when the write came through too late', async () => {
    const reason = new Error('shutting down');
    const waiting = scene();
    waiting.backend.error = away;
    const aborting = new AbortController();
    const begun = rejection(waiting.make().begin(aborting.signal));
    await waiting.clock.advance(100);
    aborting.abort(reason);
    expect(await begun).to.equal(reason);
    expect(waiting.clock.pending).to.equal(0);

    const late = scene();
    let open: () => void = () => {};
    late.backend.gate = new Promise((resolve) => (open = resolve));
    const second = new AbortController();
    const writing = rejection(late.make().begin(second.signal));
    await late.clock.advance(0);
    second.abort(reason);
    open();
    expect(await writing).to.equal(reason);
    expect(late.done).to.deep.equal(['put pass 0', 'remove 0']);
  });

  it('writes again what is gone', async () => {
    const { make, clock, done, backend, warnings } = scene();
    await make().begin();
    backend.found = 'gone';
    await clock.advance(10_000);
    backend.found = 'kept';
    await clock.advance(10_000);
    expect(done).to.deep.equal(['put pass 0', 'renew 10000', 'put pass 10000', 'renew 20000']);
    expect(warnings).to.have.length(1);
  });

  it('leaves an entry that a newer owner has, says so once, and takes its place again when it is gone', async () => {
    const { make, clock, done, backend, warnings } = scene();
    const kept = make();
    await kept.begin();
    backend.found = 'taken';
    await clock.advance(20_000);
    await kept.report('warn');
    expect(done.filter((what) => what.startsWith('put'))).to.deep.equal(['put pass 0']);
    expect(warnings).to.have.length(1);
    backend.found = 'gone';
    await clock.advance(10_000);
    expect(done.at(-1)).to.equal('put warn 30000');
  });

  it('looks sooner after a failure than at its next turn, and goes on however often it fails', async () => {
    const { make, clock, done, backend } = scene();
    await make().begin();
    backend.error = away;
    await clock.advance(11_000);
    backend.error = undefined;
    backend.found = 'gone';
    await clock.advance(1_000);
    expect(done).to.deep.equal(['put pass 0', 'renew 10000', 'renew 10250', 'renew 10750', 'renew 11750', 'put pass 11750']);
  });

  it('remembers a status that could not be written', async () => {
    const { make, clock, done, backend } = scene();
    const kept = make();
    await kept.begin();
    backend.error = away;
    expect(await rejection(kept.report('fail'))).to.equal(away);
    expect(kept.instance.status).to.equal('fail');
    backend.error = undefined;
    await clock.advance(250);
    expect(done).to.deep.equal(['put pass 0', 'renew 0', 'renew 250', 'put fail 250']);
  });

  it('never writes after deregister, also when a write was under way', async () => {
    const { make, clock, done, backend } = scene();
    const kept = make();
    await kept.begin();
    let open: () => void = () => {};
    backend.gate = new Promise((resolve) => (open = resolve));
    backend.found = 'gone';
    kept.verify();
    await clock.advance(0);
    const gone = [kept.deregister(), kept.deregister(), kept.report('fail')];
    kept.verify();
    open();
    await Promise.all(gone);
    await clock.advance(100_000);
    expect(done).to.deep.equal(['put pass 0', 'renew 0', 'remove 0']);
    expect(clock.pending).to.equal(0);
  });

  it('removes at the next call when removing failed', async () => {
    const { make, done, backend } = scene();
    const kept = make();
    await kept.begin();
    backend.error = away;
    expect(await rejection(kept.deregister())).to.equal(away);
    backend.error = undefined;
    await kept.deregister();
    expect(done).to.deep.equal(['put pass 0', 'remove 0', 'remove 0']);
  });

  it('looks once for many reasons to look', async () => {
    const { make, clock, done } = scene();
    const kept = make();
    await kept.begin();
    for (let index = 0; index < 100; index++) kept.verify();
    await clock.advance(0);
    expect(done).to.deep.equal(['put pass 0', 'renew 0']);
  });

  it('begins after the keeper that it replaces has ended what it was doing, which then leaves the entry alone', async () => {
    const { make, clock, done, backend } = scene();
    const old = make();
    let open: () => void = () => {};
    backend.gate = new Promise((resolve) => (open = resolve));
    const begun = old.begin();
    await clock.advance(0);
    const next = make(old.release());
    const replaced = next.begin();
    await clock.advance(0);
    expect(done).to.deep.equal(['put pass 0']);
    open();
    await Promise.all([begun, replaced]);
    await old.deregister();
    expect(done).to.deep.equal(['put pass 0', 'put pass 0']);
  });
});
