import { tmpdir } from 'node:os';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { expect } from 'chai';
import { cpuCheck, diskSpaceCheck, eventLoopCheck, memoryCheck, monitor, openHandlesCheck } from '@ferrule/core';
import type { Check } from '@ferrule/core';
import { manualClock } from '@ferrule/testing';

async function told(check: Check): Promise<string> {
  const health = monitor({ checks: [check] });
  const [{ status, output } = { status: 'none', output: undefined }] = await health.ask();
  health.close();
  return output === undefined ? status : `${status} ${output}`;
}

describe('ready-made checks of resources', () => {
  it('diskSpaceCheck tells the share in use and what is free, and that there is no such path', async () => {
    const path = tmpdir();
    expect(await told(diskSpaceCheck({ path, warnAt: 1, failAt: false }))).to.equal('pass');
    expect(await told(diskSpaceCheck({ path, warnAt: 0, failAt: false }))).to.match(/^warn [\d.]+ % full, [\d.]+ [KMGTP]?i?B free/);
    expect(await told(diskSpaceCheck({ path, failAt: 0 }))).to.match(/^fail [\d.]+ % full/);
    expect(await told(diskSpaceCheck({ path, minFree: Number.MAX_SAFE_INTEGER }))).to.match(/^fail .* free, less than 8 PiB$/);
    expect(await told(diskSpaceCheck({ path: `${path}/no-such-place` }))).to.equal('fail ENOENT');
  });

  it('memoryCheck measures the heap against its limit, and the resident set against one', async () => {
    expect(await told(memoryCheck())).to.equal('pass');
    expect(await told(memoryCheck({ heap: { warnAt: 0, failAt: false } }))).to.match(/^warn heap at [\d.]+ % of [\d.]+ [MG]iB$/);
    expect(await told(memoryCheck({ heap: { failAt: 0 } }))).to.match(/^fail heap/);
    expect(await told(memoryCheck({ heap: false, rss: { limit: 1 } }))).to.match(/^fail resident set at [\d.]+ % of 1 B$/);
    expect(await told(memoryCheck({ heap: false, rss: { limit: 2 ** 50 } }))).to.equal('pass');
  });

  it('eventLoopCheck sees a loop that was blocked, and says how long', async () => {
    using check = eventLoopCheck({ delay: { warnAt: 30, failAt: 60_000 }, utilization: false, cacheFor: 0 });
    await check.run({ signal: new AbortController().signal });
    await turns(3);
    const until = performance.now() + 600;
    while (performance.now() < until);
    await turns(3);
    expect(await told(check)).to.match(/^warn timers \d+ ms late$/);
  });

  it('eventLoopChecks share one measurement, which begins anew when the last has been removed', async () => {
    const health = monitor();
    const one = eventLoopCheck({ name: 'one', delay: { warnAt: 30, failAt: false }, utilization: false, cacheFor: 0 });
    const other = eventLoopCheck({ name: 'other', delay: { warnAt: 30, failAt: false }, utilization: false, cacheFor: 0 });
    const removals = [health.add(one), health.add(other)];
    await turns(3);
    const until = performance.now() + 600;
    while (performance.now() < until);
    await turns(3);
    expect((await health.ask()).map(({ status }) => status)).to.deep.equal(['warn', 'warn']);
    removals[0]!();
    expect((await health.ask()).map(({ status }) => status)).to.deep.equal(['warn']);
    removals[1]!();
    using fresh = eventLoopCheck({ delay: { warnAt: 500, failAt: false }, utilization: false });
    expect(await fresh.run({ signal: new AbortController().signal })).to.deep.equal({ status: 'pass' });
  });

  it('cpuCheck measures between one run and the next, and only warns by default', async () => {
    const clock = manualClock();
    const burn = (): void => {
      const until = performance.now() + 30;
      while (performance.now() < until);
    };
    const check = cpuCheck({ process: { warnAt: 0.000_01 }, host: false, cacheFor: 0, clock });
    burn();
    expect(await told(check), 'before the first window is over').to.equal('pass');
    await clock.advance(1_000);
    expect(await told(check)).to.match(/^warn process at [\d.]+ % of \d+ processors$/);
    await clock.advance(2 ** 31 - 1);
    expect(await told(check), 'a month of rest').to.equal('pass');
    expect(await told(cpuCheck({ process: false, host: { failAt: 0 } }))).to.match(/^fail load [\d.]+ a processor$/);
  });

  it('openHandlesCheck counts what is open, by type', async () => {
    const types = ['TCPServerWrap'];
    const before = process.getActiveResourcesInfo().filter((type) => types.includes(type)).length;
    const check = openHandlesCheck({ warnAt: before + 2, types });
    expect(await told(check)).to.equal('pass');
    const servers = [createServer().listen(0, '127.0.0.1'), createServer().listen(0, '127.0.0.1')];
    await Promise.all(servers.map((server) => once(server, 'listening')));
    expect(await told(check)).to.equal(`warn ${before + 2} open: ${before + 2} TCPServerWrap`);
    for (const server of servers) server.close();
  });

  it('says which threshold does not fit, and refuses what would always pass', () => {
    expect(() => diskSpaceCheck({ warnAt: 90 })).to.throw(TypeError, 'diskSpaceCheck warnAt: 90 does not fit. Give a used share from 0 to 1');
    expect(() => diskSpaceCheck({ warnAt: 0.9, failAt: 0.8 })).to.throw(TypeError, 'would never warn');
    expect(() => memoryCheck({ heap: false, rss: false })).to.throw(TypeError, 'it would always pass');
    expect(() => memoryCheck({ heap: { warn: 1 } as never })).to.throw(TypeError, 'memoryCheck heap: there is no option "warn"');
    expect(() => cpuCheck({ process: false, host: { warnAt: false } })).to.throw(TypeError, 'it would always pass');
    expect(() => eventLoopCheck({ delay: { warnAt: -1 } })).to.throw(TypeError, 'eventLoopCheck delay.warnAt: -1');
    expect(() => openHandlesCheck({ warnAt: false })).to.throw(TypeError, 'it would always pass');
    expect(() => openHandlesCheck({ types: 'Timeout' as never })).to.throw(TypeError, 'is no list');
  });
});

/** Lets the timers of the measurement come, so many times. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve, 25));
}
