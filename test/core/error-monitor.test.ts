import { expect } from 'chai';
import { Call, Reply, ServiceError, createService, errorMonitor, get, silentLogger } from '@ferrule/core';
import type { Alert, ErrorMonitorOptions } from '@ferrule/core';
import { operation } from '@ferrule/core/adapter';
import { expressAdapter } from '@ferrule/express';
import { manualClock } from '@ferrule/testing';

const callOf = (path = '/users/:id', service = 'users'): Call =>
  new Call({ side: 'server', operation: operation(service, 'GET', path), params: {}, headers: {} });

function bench(options: Partial<ErrorMonitorOptions> = {}) {
  const clock = manualClock();
  const alerts: Alert[] = [];
  const monitor = errorMonitor({ clock, alerts: (alert) => alerts.push(alert), ...options });
  return { clock, alerts, monitor };
}

const down = (service?: string) => [new ServiceError('UNAVAILABLE', 'down'), service === undefined ? {} : { service }] as const;

describe('errorMonitor', () => {
  it('counts by code, service and operation, whatever was thrown', () => {
    const { monitor } = bench();
    monitor.record(new ServiceError('NOT_FOUND', 'x'), { service: 'users', operation: 'GET /users/:id' });
    monitor.record(new ServiceError('NOT_FOUND', 'y'), { service: 'users', operation: 'GET /users/:id' });
    monitor.record(Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), { service: 'orders', operation: 'job' });
    monitor.record(null, { service: 'orders', operation: 'job' });
    const stats = monitor.stats();
    expect(stats.count).to.equal(4);
    expect(Object.entries(stats.byCode).map(([code, { count }]) => [code, count])).to.deep.equal([
      ['NOT_FOUND', 2],
      ['UNAVAILABLE', 1],
      ['UNKNOWN', 1],
    ]);
    expect(stats.byService['users']).to.deep.equal({ count: 2, perSecond: 2 / 300, trend: 'steady' });
    expect(Object.keys(stats.byOperation)).to.have.members(['users GET /users/:id', 'orders job']);
  });

  it('forgets what has left the window', async () => {
    const { monitor, clock } = bench({ window: '1m' });
    monitor.record(...down('users'));
    await clock.advance(59_000);
    expect(monitor.stats().count).to.equal(1);
    await clock.advance(2_000);
    expect(monitor.stats()).to.deep.include({ count: 0, perSecond: 0, trend: 'steady' });
    expect(monitor.stats().byCode).to.be.empty;
  });

  it('tells a rise and a fall from what chance does', async () => {
    const { monitor, clock } = bench({ window: '1m' });
    const times = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) monitor.record(...down());
      await clock.advance(30_000);
    };
    await times(10);
    for (let i = 0; i < 13; i++) monitor.record(...down());
    expect(monitor.stats().trend).to.equal('steady');
    await clock.advance(60_000);
    for (let i = 0; i < 5; i++) monitor.record(...down());
    await clock.advance(31_000);
    for (let i = 0; i < 30; i++) monitor.record(...down());
    expect(monitor.stats().trend).to.equal('rising');
    await clock.advance(31_000);
    expect(monitor.stats().trend).to.equal('falling');
  });

  it('raises one alert when there are too many, and takes it back when they have stayed away', async () => {
    const { monitor, clock, alerts } = bench({
      rules: [{ code: 'UNAVAILABLE', service: 'users', threshold: 3, interval: '10s', coolDown: '20s', severity: 'critical' }],
    });
    for (let i = 0; i < 2; i++) monitor.record(...down('users'));
    monitor.record(...down('orders'));
    monitor.record(new ServiceError('INTERNAL', 'x'), { service: 'users' });
    expect(alerts).to.be.empty;
    monitor.record(...down('users'));
    monitor.record(...down('users'));
    expect(alerts).to.have.length(1);
    expect(alerts[0]).to.deep.include({
      source: 'errors',
      kind: 'raised',
      subject: 'UNAVAILABLE of users',
      message: '3 errors of UNAVAILABLE of users within 10 s',
    });
    expect(alerts[0]!.details).to.deep.equal({
      severity: 'critical',
      threshold: 3,
      intervalMs: 10_000,
      errorType: 'UNAVAILABLE',
      code: 'UNAVAILABLE',
      service: 'users',
      method: '',
      count: 3,
    });
    expect(monitor.stats().raised).to.deep.equal(['UNAVAILABLE of users']);
    await clock.advance(12_000);
    for (let i = 0; i < 3; i++) monitor.record(...down('users')); // again within the cool-down: the same alert
    await clock.advance(28_000);
    expect(alerts).to.have.length(1);
    await clock.advance(5_000);
    expect(alerts.map(({ kind }) => kind)).to.deep.equal(['raised', 'resolved']);
    expect(clock.pending).to.equal(0);
    for (let i = 0; i < 3; i++) monitor.record(...down('users'));
    expect(alerts).to.have.length(3);
    monitor.close();
    expect(clock.pending).to.equal(0);
  });

  it('counts 5xx alone where a rule names neither code nor reason, and each service by itself where it says so', () => {
    const { monitor, alerts } = bench({ rules: [{ threshold: 2, per: 'service' }] });
    for (const service of ['a', 'b', 'c']) {
      monitor.record(new ServiceError('NOT_FOUND', 'x'), { service });
      monitor.record(new ServiceError('NOT_FOUND', 'x'), { service });
      monitor.record(...down(service));
    }
    expect(alerts).to.be.empty;
    monitor.record(...down('b'));
    expect(alerts.map(({ subject }) => subject)).to.deep.equal(['5xx: b']);
    monitor.close();
  });

  it('takes reasons, and sinks of a rule', () => {
    const own: Alert[] = [];
    const { monitor, alerts } = bench({
      rules: [{ name: 'payments', reason: ['PAYMENT_FAILED'], threshold: 1, alerts: (alert) => own.push(alert) }],
    });
    monitor.record(new ServiceError('FAILED_PRECONDITION', 'x', { reason: 'PAYMENT_FAILED' }));
    expect(alerts).to.be.empty;
    expect(own[0]).to.include({ subject: 'payments' });
    monitor.close();
  });

  it('a sink that throws, rejects or never answers holds nobody up', async () => {
    const errors: object[] = [];
    const { monitor } = bench({
      alerts: [
        () => {
          throw new Error('no');
        },
        () => Promise.reject(new Error('no')),
        () => new Promise(() => {}),
      ],
      rules: [{ threshold: 1 }],
      logger: { ...silentLogger, error: (fields) => errors.push(fields) },
    });
    monitor.record(...down());
    await new Promise(setImmediate);
    expect(errors).to.have.length(2);
    monitor.close();
  });

  it('keeps its size under a flood of distinct services and operations', function () {
    this.timeout(30_000);
    const { monitor } = bench({ maxKeys: 50, rules: [{ threshold: 1e9, per: 'operation' }] });
    const error = new ServiceError('UNAVAILABLE', 'x');
    for (let i = 0; i < 100_000; i++) monitor.record(error, { service: `s${i}`, operation: `o${i}` });
    const stats = monitor.stats();
    expect(stats.keys).to.deep.equal({ services: 50, operations: 50 });
    expect(stats.count).to.equal(100_000);
    expect(stats.byService['_OTHER']!.count).to.equal(99_950);
  });

  it('gives the place of an idle key to a new one', async () => {
    const { monitor, clock } = bench({ maxKeys: 2, window: '1m' });
    monitor.record(...down('a'));
    monitor.record(...down('b'));
    await clock.advance(61_000);
    monitor.record(...down('b'));
    monitor.record(...down('c'));
    expect(Object.keys(monitor.stats().byService)).to.have.members(['b', 'c']);
  });

  it('as a wrapper counts throws, mapped replies and bare 5xx, and how many calls there were', async () => {
    const { monitor } = bench();
    const ends: (() => Promise<Reply>)[] = [
      () => Promise.resolve(new Reply(200, {})),
      () => Promise.resolve(new Reply(404, {})),
      () => Promise.resolve(new Reply(503, {})),
      () => Promise.resolve(new Reply(404, {}, {}, { error: new ServiceError('NOT_FOUND', 'x') })),
      () => Promise.reject(new ServiceError('INTERNAL', 'x')),
      () => {
        throw new Error('synchronous');
      },
    ];
    for (const end of ends) {
      try {
        await monitor.wrap(end)(callOf());
      } catch {
        // It is passed on.
      }
    }
    const stats = monitor.stats();
    expect(stats).to.include({ calls: 6, count: 4, ratio: 4 / 6 });
    expect(Object.keys(stats.byCode)).to.have.members(['UNAVAILABLE', 'NOT_FOUND', 'INTERNAL', 'UNKNOWN']);
    expect(Object.keys(stats.byOperation)).to.deep.equal(['users GET /users/:id']);
  });

  it('stands in a service outside of the mapping of errors', async () => {
    const monitor = errorMonitor();
    const service = createService({
      name: 'shop',
      adapter: expressAdapter(),
      signals: false,
      logger: silentLogger,
      drainDelay: 0,
      listen: { host: '127.0.0.1' },
      wrappers: [{ wrapper: monitor, before: 'errors' }],
      routes: [get('/boom/:id', () => Promise.reject(new Error('boom')))],
    });
    const { host, port } = await service.start();
    await fetch(`http://${host}:${port}/boom/1`).then((reply) => reply.text());
    await service.stop();
    expect(Object.keys(monitor.stats().byOperation)).to.deep.equal(['shop GET /boom/:id']);
  });

  const wrong = (value: unknown): never => value as never;
  const REFUSED: readonly (readonly [unknown, RegExp])[] = [
    [{ windows: 1 }, /there is no option "windows". Did you mean window/],
    [{ window: 5 }, /window: 5 is too short/],
    [{ maxKeys: 0 }, /maxKeys: 0 is no count/],
    [{ alerts: 5 }, /alerts/],
    [{ rules: [{}] }, /rules\[0\] threshold: undefined is no count/],
    [{ rules: [{ threshold: 1, code: 'NOPE' }] }, /rules\[0\] code: "NOPE" is none. Use one of CANCELLED/],
    [{ rules: [{ threshold: 1, severity: 'loud' }] }, /severity: "loud" is unknown. Use info, warning, critical/],
    [{ rules: [{ threshold: 1, interval: 0 }] }, /interval: 0 holds no event/],
    [{ rules: [{ threshold: 1, per: 'user' }] }, /per: "user" is unknown/],
  ];
  for (const [options, message] of REFUSED)
    it(`refuses ${JSON.stringify(options)}`, () => expect(() => errorMonitor(wrong(options))).to.throw(message));
});
