import { expect } from 'chai';
import { healthLevels, monitor } from '@ferrule/core';
import type { Check, HealthLevel, HealthLevelsOptions, HealthLevelsReport, HealthStatus, LevelState } from '@ferrule/core';
import { manualClock } from '@ferrule/testing';
import { fc } from '../support/fast-check.js';

const LEVELS: readonly HealthLevel[] = ['network', 'application', 'dependency', 'resource'];
const STATES: readonly LevelState[] = ['healthy', 'degraded', 'warning', 'unhealthy'];
const WORDS: readonly HealthStatus[] = ['pass', 'warn', 'fail'];

/** A check that says what `say` says at the time. */
const saying = (name: string, say: () => HealthStatus): Check => ({ name, cacheFor: 0, run: () => ({ status: say(), output: say() }) });
const is = (name: string, status: HealthStatus): Check => saying(name, () => status);
const dependencies = (healthy: number, all: number): readonly Check[] =>
  Array.from({ length: all }, (_, index) => is(`dependency ${index}`, index < healthy ? 'pass' : 'fail'));

async function stateOf(options: HealthLevelsOptions): Promise<LevelState> {
  using levels = healthLevels({ clock: manualClock(), ...options });
  return (await levels.ask()).state;
}

describe('healthLevels', () => {
  it('judges dependencies by the ratio that is healthy', async () => {
    for (const [healthy, all, state] of [
      [10, 10, 'healthy'],
      [9, 10, 'healthy'],
      [8, 10, 'degraded'],
      [7, 10, 'degraded'],
      [6, 10, 'warning'],
      [5, 10, 'warning'],
      [4, 10, 'unhealthy'],
      [0, 1, 'unhealthy'],
    ] as const)
      expect(await stateOf({ dependency: dependencies(healthy, all) }), `${healthy} of ${all}`).to.equal(state);
    // None at all is healthy: the level has no say.
    expect(await stateOf({ network: [is('tcp', 'pass')] })).to.equal('healthy');
    expect(await stateOf({ dependency: [is('a', 'pass'), is('b', 'warn')] })).to.equal('degraded');
  });

  it('judges the others by their worst check, of which one that is not critical only degrades', async () => {
    expect(await stateOf({ network: [is('a', 'pass'), is('b', 'fail')] })).to.equal('unhealthy');
    expect(await stateOf({ network: [is('a', 'pass'), is('b', 'warn')] })).to.equal('degraded');
    expect(await stateOf({ network: [{ ...is('a', 'fail'), critical: false }] })).to.equal('degraded');
  });

  it('combines by weights, by the worst, or by what more than half reach', async () => {
    const given = {
      network: [is('n', 'fail')],
      application: [is('a', 'pass')],
      dependency: [is('d', 'pass')],
      resource: [is('r', 'pass')],
    };
    expect(await stateOf(given)).to.equal('degraded'); // 0.75
    expect(await stateOf({ ...given, rule: 'strict' })).to.equal('unhealthy');
    expect(await stateOf({ ...given, rule: 'majority' })).to.equal('healthy');
    expect(await stateOf({ ...given, weights: { network: 0 } })).to.equal('healthy');
    expect(await stateOf({ ...given, weights: { network: 3 } })).to.equal('warning'); // 3 of 6
    expect(await stateOf({ ...given, weights: { network: 4 } })).to.equal('unhealthy');
    expect(await stateOf({ ...given, application: [is('a', 'fail')], rule: 'majority' }), 'two and two').to.equal('unhealthy');
  });

  it('asks all levels at once, and answers at the deadline whatever hangs', async () => {
    const clock = manualClock();
    const hanging = (name: string): Check => ({ name, timeout: '1h', run: () => new Promise(() => {}) });
    using levels = healthLevels({ clock, network: [hanging('n')], application: [is('a', 'pass')], dependency: [hanging('d')], rule: 'strict' });
    const asked = levels.ask();
    await clock.advance(14_999);
    expect(levels.last).to.equal(undefined);
    await clock.advance(1);
    const report = await asked;
    expect(report).to.deep.include({ status: 'fail', state: 'unhealthy', durationMs: 15_000 });
    expect(report.reasons).to.deep.equal(['network: n timeout', 'dependency: 0 of 1 healthy', 'dependency: d timeout']);
    expect(clock.pending).to.equal(0);
  });

  it('pulls other levels down after a while, along the chain, and lets go of them when it recovers', async () => {
    const clock = manualClock();
    let network: HealthStatus = 'pass';
    using levels = healthLevels({
      clock,
      network: [saying('tcp', () => network)],
      application: [is('http', 'pass')],
      dependency: [is('db', 'pass')],
      resource: [is('cpu', 'pass')],
      cascade: [
        { critical: 'network', affects: ['application'], after: '30s' },
        { critical: 'application', affects: ['dependency'], after: '10s' },
      ],
      rule: 'strict',
    });
    const down = async (): Promise<string> => {
      const { levels: found } = await levels.ask();
      return LEVELS.filter((level) => found[level]!.state === 'unhealthy')
        .map((level) => `${level}<${found[level]!.pulledBy ?? ''}`)
        .join(' ');
    };
    expect(await down()).to.equal('');
    network = 'fail';
    expect(await down()).to.equal('network<');
    await clock.advance(29_999);
    expect(await down()).to.equal('network<');
    await clock.advance(1);
    expect(await down()).to.equal('network< application<network');
    await clock.advance(10_000);
    expect(await down()).to.equal('network< application<network dependency<application');
    expect(levels.last!.levels.application).to.deep.include({ ownState: 'healthy', reasons: ['pulled down by network'] });
    network = 'pass';
    expect(await down()).to.equal('');
    network = 'fail';
    expect(await down(), 'the time begins anew').to.equal('network<');
  });

  it('is a check of a monitor, with the reasons of each level', async () => {
    const clock = manualClock();
    const levels = healthLevels({ clock, network: [is('tcp', 'fail')], application: [is('http', 'pass')], critical: false });
    const health = monitor({ clock, checks: [levels] });
    expect((await health.ready()).checks[0]).to.include({ name: 'levels', status: 'warn', output: 'warning (0.5): network: tcp fail' });
    health.close();
    levels[Symbol.dispose]();
    expect(clock.pending).to.equal(0);
  });

  it('runs each check once, however many ask, and no more when it was disposed of', async () => {
    const clock = manualClock();
    let runs = 0;
    const levels = healthLevels({ clock, network: [{ name: 'a', cacheFor: 0, run: () => void runs++ }] });
    const reports = await Promise.all(Array.from({ length: 1_000 }, () => levels.ask()));
    expect([runs, new Set(reports).size]).to.deep.equal([1, 1]);
    levels[Symbol.dispose]();
    await levels.ask();
    expect(runs).to.equal(1);
  });

  it('rejects with the reason of its signal, and keeps no listener of it', async () => {
    using levels = healthLevels({ clock: manualClock(), network: [{ name: 'a', run: () => new Promise(() => {}) }] });
    const controller = new AbortController();
    const run = levels.run({ signal: controller.signal });
    controller.abort(new Error('enough'));
    expect(await run.catch((error: Error) => error.message)).to.equal('enough');
  });

  it('passes on that a check may answer otherwise, and asks that one anew', async () => {
    const clock = manualClock();
    let tell: (() => void) | undefined;
    let runs = 0;
    const check: Check = {
      name: 'a',
      cacheFor: '1h',
      run: () => void runs++,
      onChange(changed) {
        tell = changed;
        return () => (tell = undefined);
      },
    };
    using levels = healthLevels({ clock, network: [check], cacheFor: 0 });
    const health = monitor({ clock });
    const remove = health.add(levels);
    await health.ready();
    tell!();
    await clock.advance(0);
    expect(runs).to.equal(2);
    remove();
    expect(tell).to.equal(undefined);
  });

  it('says which option does not fit', () => {
    const network = [is('a', 'pass')];
    expect(() => healthLevels({})).to.throw(TypeError, 'no level has a check');
    expect(() => healthLevels({ network, rule: 'most' as never })).to.throw(TypeError, 'healthLevels rule: "most" is unknown');
    expect(() => healthLevels({ network, weights: { resource: 1 } })).to.throw(TypeError, 'that level has no checks');
    expect(() => healthLevels({ network, weights: { network: 0 } })).to.throw(TypeError, 'all are 0');
    expect(() => healthLevels({ network, weights: { network: -1 } })).to.throw(TypeError, 'weights.network: -1');
    expect(() => healthLevels({ network, rule: 'strict', weights: { network: 1 } })).to.throw(TypeError, 'the rule strict uses none');
    expect(() => healthLevels({ network, application: [is('a', 'pass')] })).to.throw(TypeError, 'the name a is taken');
    expect(() => healthLevels({ network: [{ ...network[0]!, groups: ['live'] }] })).to.throw(TypeError, 'they have no say');
    expect(() => healthLevels({ network, groups: ['live'] })).to.throw(TypeError, "groups: 'live' would have this process restarted");
    expect(() => healthLevels({ resource: network, groups: ['live'] })).not.to.throw();
    expect(() => healthLevels({ network, cascade: { critical: 'network', affects: ['resource'] } })).to.throw(TypeError, 'resource has no checks');
    expect(() => healthLevels({ network, timeout: 1 } as never)).to.throw(TypeError, 'no option "timeout"');
    const both = { network, application: [is('b', 'pass')] };
    expect(() =>
      healthLevels({
        ...both,
        cascade: [
          { critical: 'network', affects: ['application'] },
          { critical: 'application', affects: ['network'] },
        ],
      }),
    ).to.throw(TypeError, 'network → application → network');
  });

  const words = fc.constantFrom(...WORDS);
  const member = fc.record({ first: words, second: words, critical: fc.boolean() });
  const levelsOf = fc
    .record({
      network: fc.array(member, { maxLength: 3 }),
      application: fc.array(member, { maxLength: 3 }),
      dependency: fc.array(member, { maxLength: 12 }),
      resource: fc.array(member, { maxLength: 3 }),
    })
    .filter((given) => LEVELS.some((level) => given[level].length > 0));
  const rules = fc.constantFrom('weighted', 'strict', 'majority' as const);
  type Given = Readonly<Record<HealthLevel, readonly { readonly first: HealthStatus; readonly second: HealthStatus; readonly critical: boolean }[]>>;

  /** What is answered in each of three turns, 10 s apart: what the checks say changes after the first. `order` is when each check ends, ms. */
  async function answers(
    given: Given,
    rule: 'weighted' | 'strict' | 'majority',
    order: (name: string) => number = () => 0,
  ): Promise<readonly HealthLevelsReport[]> {
    const clock = manualClock();
    let turn = 0;
    const checks = (level: HealthLevel): readonly Check[] =>
      given[level].map(({ first, second, critical }, index) => ({
        name: `${level} ${index}`,
        critical,
        cacheFor: 0,
        timeout: '1m',
        run: () =>
          new Promise((resolve) => {
            const result = { status: turn === 0 ? first : second };
            clock.schedule(order(`${level} ${index}`), () => resolve(result));
          }),
      }));
    const [critical, ...affects] = LEVELS.filter((level) => given[level].length > 0);
    using levels = healthLevels({
      clock,
      rule,
      ...Object.fromEntries(LEVELS.map((level) => [level, checks(level)])),
      ...(affects.length > 0 && { cascade: { critical: critical!, affects, after: '10s' } }),
    });
    const reports: HealthLevelsReport[] = [];
    for (; turn < 3; turn++) {
      const asked = levels.ask();
      await clock.advance(100);
      reports.push(await asked);
      await clock.advance(9_900);
    }
    return reports;
  }
  const ranks = (reports: readonly HealthLevelsReport[]): readonly number[] => reports.map(({ state }) => STATES.indexOf(state));
  const worse = (status: HealthStatus): HealthStatus => WORDS[Math.min(2, WORDS.indexOf(status) + 1)]!;

  it('never answers better because something got worse, at whatever time', () =>
    fc.assert(
      fc.asyncProperty(levelsOf, rules, fc.nat(), fc.boolean(), async (given, rule, which, early) => {
        const all = LEVELS.flatMap((level) => given[level].map((one, index) => ({ level, one, index })));
        const { level, one, index } = all[which % all.length]!;
        const spoilt = early ? { ...one, first: worse(one.first) } : { ...one, second: worse(one.second) };
        const changed = { ...given, [level]: given[level].with(index, spoilt) };
        const [before, after] = [ranks(await answers(given, rule)), ranks(await answers(changed, rule))];
        expect(
          after.every((rank, turn) => rank >= before[turn]!),
          `${String(before)} became ${String(after)}`,
        ).to.equal(true);
      }),
      { numRuns: 150 },
    ));

  it('answers the same in whatever order the checks end', () =>
    fc.assert(
      fc.asyncProperty(levelsOf, rules, fc.infiniteStream(fc.nat(99)), async (given, rule, times) => {
        const told = (reports: readonly HealthLevelsReport[]): unknown =>
          reports.map(({ status, state, score, reasons }) => ({ status, state, score, reasons }));
        expect(told(await answers(given, rule, () => times.next().value as number))).to.deep.equal(told(await answers(given, rule)));
      }),
      { numRuns: 100 },
    ));
});
