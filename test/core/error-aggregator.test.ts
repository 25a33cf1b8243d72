import { expect } from 'chai';
import { ServiceError, errorAggregator, silentLogger } from '@ferrule/core';
import type { Alert, ErrorAggregatorOptions, ErrorPattern } from '@ferrule/core';
import { manualClock } from '@ferrule/testing';
import { fc } from '../support/fast-check.js';

function bench(options: Partial<ErrorAggregatorOptions> = {}) {
  const clock = manualClock();
  const alerts: Alert[] = [];
  const lines: { readonly level: string; readonly fields: Record<string, unknown> }[] = [];
  const at = (level: string) => (fields: object) => void lines.push({ level, fields: fields as Record<string, unknown> });
  const logger = { ...silentLogger, warn: at('warn'), error: at('error') };
  const aggregator = errorAggregator({ clock, alerts: (alert) => alerts.push(alert), logger, ...options });
  const typeOf = (message: string): string => {
    aggregator.record(new Error(message));
    return aggregator.report().events.at(-1)!.type;
  };
  return { clock, alerts, lines, aggregator, typeOf };
}

describe('errorAggregator', () => {
  it('keeps whose error it was when its metadata cannot be read, and takes null for no context', () => {
    const { aggregator } = bench();
    const unreadable = {
      get a(): never {
        throw new Error('unreadable');
      },
      order: 17,
    };
    aggregator.record(new Error('x'), { requestId: 'r-1', metadata: unreadable });
    aggregator.record(new Error('x'), { requestId: 'r-2', metadata: null } as never);
    aggregator.record(new Error('x'), null as never);
    const { events } = aggregator.report();
    expect(events.map(({ requestId }) => requestId)).to.deep.equal(['r-1', 'r-2', undefined]);
    expect(events[0]!.metadata).to.deep.equal({ order: 17 });
  });

  it('takes errors for one kind when they differ in values alone', () => {
    const { aggregator } = bench();
    const ALIKE: readonly (readonly [string, string, string])[] = [
      ['user 42 not found', 'user 7 not found', 'user <n> not found'],
      ['no "alice" here', "no 'bob' here", 'no <text> here'],
      ['id 550e8400-e29b-41d4-a716-446655440000 gone', 'id 6ba7b810-9dad-11d1-80b4-00c04fd430c8 gone', 'id <uuid> gone'],
      ['object 65f1a2b3c4d5e6f708192a3b is away', 'object 0xdeadbeef is away', 'object <hex> is away'],
      ["can't reach 10.0.0.1:80, won't try", "can't reach 10.0.0.2:8080, won't try", "can't reach <n>.<n>:<n>, won't try"],
    ];
    for (const [one, other] of ALIKE) {
      aggregator.record(new Error(one));
      aggregator.record(new Error(other));
    }
    const { groups } = aggregator.report();
    expect(groups.map(({ template }) => template)).to.have.members(ALIKE.map(([, , template]) => template));
    for (const { count, fingerprint } of groups) {
      expect(count).to.equal(2);
      expect(fingerprint).to.match(/^[0-9a-f]{16}$/);
    }
  });

  it("knows the original design's timeouts, connections and permissions by themselves", () => {
    const { typeOf, aggregator, alerts, lines } = bench();
    expect(typeOf('request timeout')).to.equal('timeout_error');
    expect(typeOf('context Deadline exceeded')).to.equal('timeout_error');
    expect(typeOf('Connection to db failed')).to.equal('connection_error');
    expect(typeOf('permission was denied')).to.equal('authorization_error');
    expect(typeOf('something else')).to.equal('UNKNOWN');
    aggregator.record(new ServiceError('DEADLINE_EXCEEDED', 'users answered late'));
    expect(aggregator.report().byType).to.include({ timeout_error: 3, connection_error: 1, authorization_error: 1, UNKNOWN: 1 });
    expect(alerts.map(({ subject, details }) => [subject, details['errorType'], details['priority']])).to.deep.equal([
      ['timeout_error of ', 'timeout_error', 1],
      ['connection_error of ', 'connection_error', 2],
    ]);
    expect(lines.map(({ level }) => level)).to.include.members(['error', 'warn']);
    aggregator.close();
  });

  it('asks patterns by priority, and does what the first that fits says', () => {
    const patterns: readonly ErrorPattern[] = [
      { type: 'payment_error', match: { glob: '*payment*failed*' }, priority: 1, action: 'alert' },
      { type: 'noise', match: ['socket hang up', { prefix: 'EPIPE' }], action: 'ignore' },
      { type: 'late', match: /^late \d+$/, priority: 2, action: 'log' },
      { type: 'never', match: 'payment', priority: 5 },
    ];
    const { aggregator, typeOf, alerts, lines } = bench({ patterns, defaults: false });
    expect(typeOf('Payment 5 has FAILED')).to.equal('payment_error');
    expect(typeOf('late 5')).to.equal('late');
    expect(typeOf('connection failed')).to.equal('UNKNOWN');
    aggregator.record(new Error('EPIPE: write'));
    aggregator.record(new Error('a socket hang up'));
    expect(aggregator.stats()).to.include({ recorded: 5, ignored: 2, events: 3 });
    expect(alerts).to.have.length(1);
    expect(lines).to.have.length(2);
    aggregator.close();
  });

  it('writes a kind once in its time, and how often it came', async () => {
    const { aggregator, clock, lines } = bench({ defaults: false, patterns: [{ type: 't', match: 'x' }], logEvery: '1m' });
    for (let i = 0; i < 5; i++) aggregator.record(new Error(`x ${i}`));
    await clock.advance(60_000);
    aggregator.record(new Error('x 9'));
    expect(lines.map(({ fields }) => fields['count'])).to.deep.equal([1, 5]);
  });

  it('takes an alert back when its errors have stayed away', async () => {
    const { aggregator, clock, alerts } = bench({ coolDown: '2m' });
    aggregator.record(new Error('timeout'), { service: 'users' });
    await clock.advance(200_000);
    expect(alerts.map(({ kind, subject }) => [kind, subject])).to.deep.equal([
      ['raised', 'timeout_error of users'],
      ['resolved', 'timeout_error of users'],
    ]);
    expect(clock.pending).to.equal(0);
  });

  it('reports what happened between two times', async () => {
    const { aggregator, clock } = bench({ window: '1h' });
    const start = clock.wallTime();
    for (const service of ['a', 'b', 'a']) {
      aggregator.record(new Error('first'), {
        service,
        operation: 'job',
        user: 'u1',
        requestId: 'r',
        metadata: { order: 7, password: 'hunter2', deep: {} },
      });
      await clock.advance(600_000);
    }
    const early = aggregator.report(new Date(start), start + 700_000);
    expect(early).to.include({ total: 2, from: start, to: start + 720_000 });
    expect(early.byService).to.deep.include({ a: 1, b: 1 });
    expect(early.events).to.have.length(2);
    expect(early.events[0]).to.deep.include({ at: start, service: 'a', operation: 'job', user: 'u1', requestId: 'r', message: 'first' });
    expect({ ...early.events[0]!.metadata }).to.deep.equal({ order: 7, password: '[redacted]' });
    expect(aggregator.report()).to.include({ total: 3 });
    await clock.advance(3_600_000);
    expect(aggregator.report()).to.include({ total: 0 });
    expect(() => aggregator.report(new Date(NaN))).to.throw(TypeError, /report from: .* is no time/);
  });

  it('keeps its size under a flood of distinct messages', function () {
    this.timeout(60_000);
    const { aggregator } = bench({ maxEvents: 100, maxGroups: 50, patterns: [{ type: 'p', match: 'pq', action: 'alert' }] });
    const word = (n: number): string => n.toString(36).replace(/\d/g, (digit) => 'ghijklmnop'[Number(digit)]!);
    for (let i = 0; i < 100_000; i++) aggregator.record(`message ${word(i)}`, { service: `s${i % 5_000}` });
    const report = aggregator.report();
    expect(aggregator.stats()).to.deep.equal({ events: 100, groups: 50, buckets: 1, recorded: 100_000, ignored: 0 });
    expect(report.total).to.equal(100_000);
    expect(report.groups).to.have.length(51);
    expect(report.groups[0]).to.deep.include({ fingerprint: '_OTHER' });
    expect(Object.keys(report.byService)).to.have.length(101);
    aggregator.close();
  });

  it('survives whatever is thrown', () => {
    const { aggregator } = bench();
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withNullPrototype: true, withSymbol: true } as never), (thrown) => aggregator.record(thrown)),
      { numRuns: 500 },
    );
    aggregator.record(
      new Proxy(
        {},
        {
          get: () => {
            throw new Error('no');
          },
          has: () => {
            throw new Error('no');
          },
        },
      ),
    );
    expect(aggregator.stats().recorded).to.equal(501);
    expect(JSON.stringify(aggregator.report())).to.be.a('string');
    aggregator.close();
  });

  describe('has no use for regular expressions of a file (ReDoS)', () => {
    for (const match of ['(a+)+$', '/timeout/i', 'timeout|deadline', 'connection.*fail', '\\d+', '^late', '[a-z]+'])
      it(`refuses ${match} with the remedy`, () => {
        expect(() => errorAggregator({ patterns: [{ type: 't', match }] })).to.throw(
          TypeError,
          /errorAggregator patterns\[0\] match: .* looks like a regular expression, which is not taken as text.*Give a list of texts/,
        );
      });

    it('takes texts that have no more than a bracket or a dot', () => {
      for (const match of ['open() failed', 'a.b', 'code [x]', 'what?'])
        expect(() => errorAggregator({ patterns: [{ type: 't', match }] })).to.not.throw();
    });

    it('needs at most 1 KB of a message of a megabyte, with 100 patterns', () => {
      const seen: number[] = [];
      class Seen extends RegExp {
        override test(text: string): boolean {
          seen.push(text.length);
          return false;
        }
      }
      const patterns: ErrorPattern[] = Array.from({ length: 99 }, (_, i) => ({ type: `t${i}`, match: { glob: `*a*a*a*a*b${i}` } }));
      const { aggregator } = bench({ patterns: [...patterns, { type: 'seen', match: new Seen('x') }] });
      aggregator.record(new Error('a'.repeat(1_000_000)));
      expect(seen).to.deep.equal([1_024]);
      expect(aggregator.report().events[0]!.message).to.have.length(256);
    });

    it('asks an expression from code no more that was slow three times', () => {
      let asked = 0;
      let now = 0;
      const clock = { ...manualClock(), now: () => now };
      class Slow extends RegExp {
        override test(): boolean {
          asked++;
          now += 11;
          return false;
        }
      }
      const lines: string[] = [];
      const aggregator = errorAggregator({
        clock,
        defaults: false,
        patterns: [{ type: 'slow', match: new Slow('x') }],
        logger: { ...silentLogger, warn: (_, message) => lines.push(message) },
      });
      for (let i = 0; i < 10; i++) aggregator.record(new Error('x'));
      expect(asked).to.equal(3);
      expect(lines).to.deep.equal(['A regular expression of the error aggregator is too slow and is asked no more']);
    });
  });

  const wrong = (value: unknown): never => value as never;
  const REFUSED: readonly (readonly [unknown, RegExp])[] = [
    [{ pattern: [] }, /there is no option "pattern". Did you mean patterns/],
    [{ patterns: [{ type: 't' }] }, /patterns\[0\]: it fits nothing. Give match or codes/],
    [{ patterns: [{ type: '', match: 'x' }] }, /type: "" is no type/],
    [{ patterns: [{ type: 't', match: 5 }] }, /match: 5 is no match/],
    [{ patterns: [{ type: 't', match: '' }] }, /is no text of 1 to 200/],
    [{ patterns: [{ type: 't', match: { glob: 'a\\' } }] }, /glob: .* ends with a lone backslash/],
    [{ patterns: [{ type: 't', match: 'x', action: 'page' }] }, /action: "page" is unknown. Use alert, log, ignore/],
    [{ patterns: [{ type: 't', match: 'x', priority: 0 }] }, /priority: 0 is none/],
    [{ maxEvents: 0 }, /maxEvents: 0 is no count/],
    [{ window: 1 }, /window: 1 is too short/],
  ];
  for (const [options, message] of REFUSED)
    it(`refuses ${JSON.stringify(options)}`, () => expect(() => errorAggregator(wrong(options))).to.throw(message));
});
