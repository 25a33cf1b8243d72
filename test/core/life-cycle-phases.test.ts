import { expect } from 'chai';
import { createService, memoryRegistry, silentLogger } from '@ferrule/core';
import type { HttpAdapter, Logger, PhaseEvent, Service, ServiceOptions } from '@ferrule/core';
import { manualClock } from '@ferrule/testing';
import type { ManualClock } from '@ferrule/testing';

const never = (): Promise<void> => new Promise(() => {});

describe('phases and hooks of a life', () => {
  let log: string[];
  let clock: ManualClock;
  /** Whether `close` waits for its signal. */
  let busy: boolean;
  let warnings: string[];

  const adapter = (): HttpAdapter => ({
    name: 'scripted',
    mount: () => {},
    attach: () => {},
    listen: () => Promise.resolve({ host: '127.0.0.1', port: 8080 }),
    startDraining: () => {},
    async close(signal) {
      log.push('close');
      if (busy) await new Promise((resolve) => signal!.addEventListener('abort', resolve, { once: true }));
    },
  });
  const logger: Logger = { ...silentLogger, warn: (_fields: object, message?: string) => void warnings.push(message ?? '') };
  const make = (more: Partial<ServiceOptions> = {}): Service =>
    createService({ name: 'orders', adapter: adapter(), registry: memoryRegistry(), clock, signals: false, logger, ...more });

  /** Advances until the stop has ended; gives how long it took, ms. */
  async function stopMs(service: Service, stepMs = 250): Promise<number> {
    const from = clock.now();
    let tookMs = -1;
    void service.stop().then(() => (tookMs = clock.now() - from));
    for (let ms = 0; ms <= 40_000 && tookMs < 0; ms += stepMs) await clock.advance(ms === 0 ? 0 : stepMs);
    return tookMs;
  }

  beforeEach(() => {
    log = [];
    warnings = [];
    busy = false;
    clock = manualClock();
  });

  describe('onPhase', () => {
    const heard = (service: Service): PhaseEvent[] => {
      const events: PhaseEvent[] = [];
      service.onPhase((event) => events.push(event));
      return events;
    };
    const words = (events: readonly PhaseEvent[]): readonly string[] => events.map(({ phase, lastedMs }) => `${phase} after ${lastedMs}`);

    it('tells each phase in order, when it began and how long the one before it lasted', async () => {
      const service = make({ drainDelay: '1s' });
      const events = heard(service);
      await service.start();
      const begun = clock.wallTime();
      await clock.advance(5_000);
      service.onStop(() => void log.push('stop hook'));
      await stopMs(service);
      expect(words(events)).to.deep.equal([
        'starting after 0',
        'ready after 0',
        'draining after 5000',
        'deregistered after 0',
        'closing after 1000',
        'hooks after 0',
        'stopped after 0',
      ]);
      expect(events.map(({ from }) => from)).to.deep.equal([undefined, ...events.slice(0, -1).map(({ phase }) => phase)]);
      expect(events.map(({ at }) => at - begun)).to.deep.equal([0, 0, 5_000, 5_000, 6_000, 6_000, 6_000]);
    });

    it('tells of the cut, at drainTimeout, when something is left', async () => {
      busy = true;
      const service = make({ drainDelay: '1s', drainTimeout: '3s' });
      const events = heard(service);
      await service.start();
      await stopMs(service);
      expect(words(events).slice(3)).to.deep.equal([
        'deregistered after 0',
        'closing after 1000',
        'cut after 3000',
        'hooks after 0',
        'stopped after 0',
      ]);
    });

    it('leaves out what did not happen: no registry, and a start that failed', async () => {
      const alone = createService({ name: 'orders', adapter: adapter(), clock, signals: false, logger, drainDelay: 0 });
      const events = heard(alone);
      await alone.start();
      await stopMs(alone);
      expect(events.map(({ phase }) => phase)).to.deep.equal(['starting', 'ready', 'draining', 'closing', 'hooks', 'stopped']);
      const failing = make({ failFast: true, health: { checks: [{ name: 'db', run: () => false }] } });
      const failed = heard(failing);
      await failing.start().catch(() => {});
      expect(failed.map(({ phase }) => phase)).to.deep.equal(['starting', 'draining', 'hooks', 'stopped']);
    });

    it('survives a listener that throws, and no longer tells one that was taken back', async () => {
      const service = make({ drainDelay: 0 });
      service.onPhase(() => {
        throw new Error('no');
      });
      const events = heard(service);
      const others: string[] = [];
      const forget = service.onPhase(({ phase }) => others.push(phase));
      await service.start();
      forget();
      await stopMs(service);
      expect([events.length, others]).to.deep.equal([7, ['starting', 'ready']]);
      expect(warnings).to.include('A listener for the phases of the service failed');
    });

    it('survives a listener that rejects', async () => {
      const service = make({ drainDelay: 0 });
      service.onPhase(async () => Promise.reject(new Error('no')));
      await service.start();
      expect(warnings).to.include('A listener for the phases of the service failed');
      await stopMs(service);
    });

    for (const at of ['starting', 'ready', 'draining', 'stopped'] as const)
      it(`may be answered with a stop, at ${at} too`, async () => {
        const service = make({ drainDelay: 0 });
        const events = heard(service);
        service.onPhase(({ phase }) => phase === at && void service.stop());
        const started = service.start().catch((error: unknown) => error);
        await clock.advance(0);
        if (at === 'draining' || at === 'stopped') void service.stop();
        await clock.advance(10_000);
        await started;
        await service.stop();
        expect([service.state, events.at(-1)!.phase, clock.pending]).to.deep.equal(['stopped', 'stopped', 0]);
        expect(events.filter(({ phase }) => phase === 'draining').length).to.equal(1);
      });

    it('refuses what is no function', () => {
      expect(() => make().onPhase('ready' as never)).to.throw(TypeError, /onPhase/);
    });
  });

  describe('hooks', () => {
    it('run in reverse order, of each kind at its time', async () => {
      const service = make({ drainDelay: '1s' });
      for (const which of ['first', 'second']) {
        service.beforeShutdown(() => void log.push(`${which} before, ${service.state}`));
        service.onDrain(() => void log.push(`${which} drain`));
        service.onStop(() => void log.push(`${which} stop`));
      }
      await service.start();
      await stopMs(service);
      const [one, two, ...rest] = log;
      expect([one, two]).to.deep.equal(['second before, draining', 'first before, draining']);
      expect(rest.filter((what) => what !== 'close')).to.deep.equal(['second drain', 'first drain', 'second stop', 'first stop']);
      expect(rest.indexOf('close')).to.be.within(0, 2);
    });

    it('of beforeShutdown take the time of drainDelay, and closing waits for them no longer than their timeouts', async () => {
      const quick = make({ drainDelay: '2s' });
      quick.beforeShutdown(never, { timeout: '1s' });
      await quick.start();
      expect(await stopMs(quick)).to.equal(2_000);
      const slow = make({ drainDelay: '2s' });
      slow.beforeShutdown(never, { timeout: '2s' });
      slow.beforeShutdown(never, { timeout: '1s' });
      slow.onPhase(({ phase, lastedMs }) => void log.push(`${phase} ${lastedMs}`));
      await slow.start();
      expect(await stopMs(slow)).to.equal(3_000);
      expect(log).to.include('closing 3000');
    });

    it('of onDrain are waited for by themselves, and none beyond drainTimeout', async () => {
      const service = make({ drainDelay: 0, drainTimeout: '3s' });
      service.onDrain(never, { timeout: '2s' });
      service.onDrain(never, { timeout: '2s' });
      await service.start();
      expect(await stopMs(service)).to.equal(3_000);
    });

    it('are refused when they would never run, or are none', async () => {
      const service = make({ drainDelay: 0 });
      for (const add of ['beforeShutdown', 'onDrain', 'onStop'] as const) {
        expect(() => service[add](5 as never), add).to.throw(TypeError, new RegExp(`${add}: 5 is no function`));
        expect(() => service[add](() => {}, { timeOut: 1 } as never), add).to.throw(TypeError, /no option "timeOut"/);
        expect(() => service[add](() => {}, { timeout: 'soon' }), add).to.throw(TypeError, /timeout of/);
      }
      await service.start();
      await stopMs(service);
      for (const add of ['beforeShutdown', 'onDrain', 'onStop'] as const) expect(() => service[add](() => {}), add).to.throw(/stopped already/);
    });
  });

  describe('the grace period of the platform', () => {
    it('bounds the stop: what it leaves, less 2 s', async () => {
      busy = true;
      const service = make({ gracePeriod: '12s', preStop: '3s', drainDelay: '1s' });
      service.onStop(never, { timeout: '1m' });
      await service.start();
      expect(await stopMs(service)).to.equal(7_000);
    });

    it('is not warned of when all fits, nor when it is not known', async () => {
      make({ gracePeriod: '30s' });
      const service = make();
      service.onStop(never, { timeout: '10m' });
      await service.start();
      expect(warnings).to.deep.equal([]);
    });

    it('is warned of at construction when the options alone do not fit', () => {
      make({ gracePeriod: '30s', preStop: '5s', shutdownTimeout: '28s' });
      expect(warnings.join()).to.match(
        /may be killed in the middle: preStop 5000 \+ drainDelay 2000 \+ drainTimeout 20000 .* gracePeriod \(30000 ms\)/,
      );
    });

    it('is warned of at the start, once, when the hooks do not fit', async () => {
      const service = make({ gracePeriod: '30s' });
      service.onStop(never, { timeout: '10s' });
      expect(warnings).to.deep.equal([]);
      await service.start();
      expect(warnings.filter((what) => what.includes('may have no time left for its hooks')).length).to.equal(1);
    });

    for (const [what, more, message] of [
      ['preStop alone', { preStop: '5s' }, /preStop: it is a part of gracePeriod/],
      ['a preStop that leaves nothing', { gracePeriod: '5s', preStop: '3s' }, /preStop: 3000 ms leave no time to stop in a gracePeriod of 5000 ms/],
      ['a word', { gracePeriod: 'long' }, /gracePeriod: "long"/],
      ['parts that cannot fit', { gracePeriod: '10s', drainTimeout: '20s' }, /shutdownTimeout: 8000 ms is less than/],
    ] as const)
      it(`refuses ${what}`, () => expect(() => make(more)).to.throw(message));
  });

  describe('telemetry', () => {
    it('is flushed after all hooks', async () => {
      const service = make({ drainDelay: 0, telemetry: [{ forceFlush: async () => void log.push('flush') }] });
      service.onStop(() => void log.push('hook'));
      await service.start();
      await stopMs(service);
      expect(log).to.deep.equal(['close', 'hook', 'flush']);
    });

    it('is waited for at most 2 s, and one that fails or hangs keeps none from being flushed', async () => {
      const service = make({
        drainDelay: 0,
        telemetry: [
          { forceFlush: never },
          {
            forceFlush: () => {
              throw new Error('no collector');
            },
          },
          { forceFlush: async () => void log.push('flush') },
        ],
      });
      await service.start();
      expect(await stopMs(service)).to.equal(2_000);
      expect([log.at(-1), warnings]).to.deep.equal(['flush', ['Telemetry was not flushed in time; going on']]);
    });

    it('refuses what cannot be flushed', () => {
      expect(() => make({ telemetry: [{}] as never })).to.throw(/createService telemetry\[0\]: .* has no forceFlush\(\)/);
      expect(() => make({ telemetry: {} as never })).to.throw(/createService telemetry/);
    });
  });
});
