import { expect } from 'chai';
import { healthServer, monitor } from '@ferrule/core';
import type { Alert, Check } from '@ferrule/core';
import { manualClock, rawRequest, requestBytes } from '@ferrule/testing';

describe('monitor: hysteresis, background, groups, alerts', () => {
  it('needs failuresToFail failures and successesToPass successes in a row, but believes the first answer', async () => {
    let ok = true;
    const check: Check = { name: 'db', run: () => ok, cacheFor: 0, failuresToFail: 3, successesToPass: 2 };
    const health = monitor({ checks: [check], clock: manualClock(), history: 3 });
    const said: string[] = [];
    for (const one of [true, false, false, true, false, false, false, true, false, true, true]) {
      ok = one;
      said.push((await health.ready()).status);
    }
    expect(said.join(' ')).to.equal('pass pass pass pass pass pass fail fail fail fail pass');
    expect(health.history('db').map(({ status }) => status)).to.deep.equal(['fail', 'fail', 'pass']);
    ok = false;
    const doomed = monitor({ checks: [check], clock: manualClock() });
    expect((await doomed.ready()).status).to.equal('fail');
  });

  it('outlives async functions where it waits for none: authorize is a no, format breaks the reply, listeners are dropped', async () => {
    const rejecting = (() => Promise.reject(new Error('late'))) as never;
    const health = monitor({ showDetails: 'when-authorized', authorize: rejecting, format: rejecting, clock: manualClock() });
    expect(health.shows({} as never)).to.equal(false);
    const report = await health.all();
    expect(() => health.body(report, false)).to.throw(TypeError, 'monitor format: it gave a promise');
    health.onStatus(rejecting);
    health.moveTo('draining');
    // An unhandled rejection would make the test fail by now.
    await new Promise((resolve) => setImmediate(resolve));
  });

  it('adds nothing of a check whose onChange throws', () => {
    const clock = manualClock();
    const health = monitor({ clock });
    const broken: Check = {
      name: 'db',
      interval: '1s',
      run: () => true,
      onChange() {
        throw new Error('not connected');
      },
    };
    expect(() => health.add(broken)).to.throw('not connected');
    expect([health.checks, clock.pending]).to.deep.equal([[], 0]);
  });

  it('has at least one second in Retry-After', async () => {
    const health = monitor({ retryAfter: 0, checks: [{ name: 'db', run: () => false }] });
    const server = await healthServer(health, { port: 0, host: '127.0.0.1' });
    const reply = await rawRequest(server.address, requestBytes('GET', '/health/ready', { connection: 'close' }));
    expect([reply.status, reply.header('retry-after')]).to.deep.equal([503, '1']);
    await server.close();
  });

  it('keeps users and passwords of URLs out of what a check says, wherever the cut falls', async () => {
    const long = `${'x'.repeat(245)} redis://u:hunter2@`.padEnd(400, 'h');
    const said = ['postgres://u:hunter2@db/x and http://t@h/?q=a@b', 'amqp://u:hunter@2@h', long].map((output, index) => ({
      name: `c${index}`,
      run: () => ({ status: 'fail', output }),
    }));
    const [first, second, third] = await monitor({ checks: said, clock: manualClock() }).ask();
    expect(first?.output).to.equal('postgres://[redacted]@db/x and http://[redacted]@h/?q=a@b');
    expect(second?.output).to.equal('amqp://[redacted]@h');
    expect(third?.output).to.have.length(256).and.not.include('hunter');
  });

  it('lets go of a reply that a check has fetched and not read, so that no connection stays', async () => {
    let cancelled = 0;
    const body = new ReadableStream({ cancel: () => void cancelled++ }, { highWaterMark: 0 });
    const locked = new Response(new ReadableStream());
    locked.body!.getReader();
    const checks: readonly Check[] = [
      { name: 'unread', run: () => new Response(body) },
      { name: 'being read', run: () => locked },
      { name: 'no body', run: () => new Response(null, { status: 204 }) },
    ];
    expect((await monitor({ checks, clock: manualClock() }).all()).status).to.equal('pass');
    expect(cancelled).to.equal(1);
  });

  it('counts a run that hangs as one failure more each time it is asked, without starting another', async () => {
    const clock = manualClock();
    let runs = 0;
    const check: Check = { name: 'db', failuresToFail: 3, run: () => (runs++ === 0 ? true : new Promise(() => {})) };
    const health = monitor({ checks: [check], clock });
    await health.ready();
    const said: string[] = [];
    for (let asked = 0; asked < 3; asked++) {
      await clock.advance(1_000);
      const answer = health.ready();
      await clock.advance(800);
      said.push((await answer).status);
    }
    expect([said, runs]).to.deep.equal([['pass', 'pass', 'fail'], 2]);
  });

  it('runs one with an interval by itself, after its initial delay, and never for an asker', async () => {
    const clock = manualClock();
    let runs = 0;
    const health = monitor({ checks: [{ name: 'db', interval: '10s', initialDelay: '3s', cacheFor: 0, run: () => void runs++ }], clock });
    expect((await health.ready()).checks[0]).to.include({ status: 'fail', output: 'not checked yet' });
    await clock.advance(3_000);
    expect((await health.ready()).status).to.equal('pass');
    await clock.advance(25_000);
    await health.ready();
    expect(runs).to.equal(3);
    health.close();
    expect(clock.pending).to.equal(0);
  });

  it('lets go of what a check listens to when it is removed or the monitor closed, once', async () => {
    const ended: string[] = [];
    const check = (name: string): Check => ({ name, run: () => true, onChange: () => () => void ended.push(name) });
    const health = monitor({ checks: [check('db')] });
    const remove = health.add(check('cache'));
    remove();
    health.close();
    health.close();
    remove();
    expect(ended).to.deep.equal(['cache', 'db']);
  });

  it('asks only the checks of a group; live is asked of nobody else', async () => {
    const health = monitor({
      checks: [
        { name: 'db', groups: ['storage'], run: () => false },
        { name: 'loop', groups: ['live'], run: () => true },
      ],
      clock: manualClock(),
    });
    expect(health.groups).to.deep.equal(['storage']);
    expect([(await health.live()).status, (await health.ready()).status, (await health.group('storage'))?.status]).to.deep.equal([
      'pass',
      'pass',
      'fail',
    ]);
    expect([health.group('live'), health.group('other')]).to.deep.equal([undefined, undefined]);
  });

  it('alerts once when a check fails and once when it recovers, tells changes, and survives sinks that throw', async () => {
    let ok = true;
    const alerts: Alert[] = [];
    const boom = (): never => {
      throw new Error('boom');
    };
    const health = monitor({
      checks: [{ name: 'db', cacheFor: 0, run: () => ok }],
      alerts: [boom, () => Promise.reject(new Error('boom')), (alert) => alerts.push(alert)],
      clock: manualClock(),
    });
    const changes: string[] = [];
    health.onCheck(({ name, from, to }) => changes.push(`${name} ${from} ${to}`));
    for (const one of [true, false, false, true, true]) {
      ok = one;
      await health.ready();
    }
    expect(alerts.map(({ kind, subject, message }) => [kind, subject, message])).to.deep.equal([
      ['raised', 'db', 'Check db fails: false'],
      ['resolved', 'db', 'Check db has recovered'],
    ]);
    expect(changes).to.deep.equal(['db pass fail', 'db fail pass']);
  });

  it('answers on a port of its own, with aliases, groups and a format of the app that gets no details unasked', async () => {
    const health = monitor({
      aliases: true,
      checks: [{ name: 'db', groups: ['storage'], run: () => true }],
      format: (report) => ({ alive: report.status, checks: report.checks.length }),
    });
    const server = await healthServer(health, { port: 0, host: '127.0.0.1' });
    const send = (target: string) => rawRequest(server.address, requestBytes('GET', target, { connection: 'close' }));
    for (const target of ['/livez', '/readyz/', '/health/groups/storage?x']) {
      const reply = await send(target);
      expect([reply.status, reply.header('content-type'), reply.text], target).to.deep.equal([
        200,
        'application/json',
        '{"alive":"pass","checks":0}',
      ]);
    }
    for (const target of ['/livezz', '/health/groups/live', '/health/groups/', '/health/groups/other', '/'])
      expect((await send(target)).status, target).to.equal(404);
    await server.close();
  });

  it('shows version, time, uptime, memory and latency with details', async () => {
    const health = monitor({ version: '1.2.3', checks: [{ name: 'db', run: () => true }], clock: manualClock() });
    const shown = JSON.parse(health.body(await health.all(), true).text) as Record<string, unknown>;
    expect(shown).to.include({ status: 'pass', version: '1.2.3', timestamp: '2026-01-01T00:00:00.000Z' });
    expect(shown).to.have.keys('status', 'version', 'notes', 'timestamp', 'uptime', 'memory', 'checks');
  });
});
