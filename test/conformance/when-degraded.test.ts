import { EventEmitter, once } from 'node:events';
import { expect } from 'chai';
import { manualClock } from '@ferrule/testing';
import {
  Controller,
  Get,
  Reply,
  WhenDegraded,
  createService,
  degradation,
  get,
  monitor,
  replyCache,
  silentLogger,
  whenDegraded,
} from '@ferrule/core';
import type { DegradationMode } from '@ferrule/core';
import { subjects } from './subjects.js';

for (const subject of subjects) {
  describe(`A degraded service on ${subject.name}`, () => {
    it('refuses the expensive route with 503 and Retry-After, answers another from the cache, serves the rest, and stays alive and ready', async () => {
      let asked: DegradationMode = 'normal';
      await using part = degradation({ sources: [() => asked], rules: [], leaveAfter: 1 });
      let served = 0;
      @Controller('/declared')
      class Declared {
        @WhenDegraded(part, { answer: { from: 'memory' } })
        @Get('/')
        all(): unknown {
          return { from: 'work' };
        }
      }
      await using service = createService({
        name: 'stage',
        adapter: subject.createAdapter(subject.createApp()),
        signals: false,
        logger: silentLogger,
        drainDelay: 0,
        listen: { host: '127.0.0.1', port: 0 },
        health: monitor({ checks: [part.check] }),
        controllers: [Declared],
        routes: [
          get('/expensive', { wrappers: [whenDegraded(part, { retryAfter: '7s' })] }, () => new Reply(200, 'fresh')),
          get('/kept', { wrappers: [replyCache({ ttl: 1, staleIfError: '1h' }), whenDegraded(part)] }, () => new Reply(200, String(++served))),
          get('/cheap', () => new Reply(200, 'cheap')),
        ],
      });
      await service.start();
      const at = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${service.address!.port}${path}`);
      expect([(await at('/expensive')).status, await (await at('/kept')).text()]).to.deep.equal([200, '1']);
      expect(await (await at('/declared')).json()).to.deep.equal({ from: 'work' });
      asked = 'partial';
      await part.evaluate();
      const refused = await at('/expensive');
      expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([503, '7']);
      expect(await (await at('/declared')).json()).to.deep.equal({ from: 'memory' });
      expect(await refused.json()).to.include({ reason: 'DEGRADED' });
      expect(await (await at('/kept')).text()).to.equal('1');
      expect([(await at('/cheap')).status, (await at('/health/live')).status, (await at('/health/ready')).status]).to.deep.equal([200, 200, 200]);
      asked = 'normal';
      await part.evaluate();
      expect((await at('/expensive')).status).to.equal(200);
    });

    it('starts and stops what it gives up with itself, shows it, warns and tells the sinks, and stays alive', async () => {
      const clock = manualClock();
      const alerts: string[] = [];
      const passed = new EventEmitter();
      const part = degradation({
        sources: [
          () => {
            passed.emit('asked');
            return 'full';
          },
        ],
        rules: [{ name: 'no-extras', degrade: () => {}, rollback: () => {} }],
        alerts: ({ kind, subject }) => void alerts.push(`${kind} ${subject}`),
        clock,
      });
      await using service = createService({
        name: 'stage',
        adapter: subject.createAdapter(subject.createApp()),
        signals: false,
        logger: silentLogger,
        drainDelay: 0,
        listen: { host: '127.0.0.1', port: 0 },
        degradation: part,
        routes: [get('/expensive', { wrappers: [whenDegraded(part)] }, () => new Reply(200, 'fresh'))],
      });
      expect(service.describe().degradation).to.deep.equal({ name: 'degradation', mode: 'normal', active: [] });
      const first = once(passed, 'asked');
      await service.start();
      await first;
      await part.evaluate();
      const at = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${service.address!.port}${path}`);
      expect(service.describe().degradation).to.deep.equal({ name: 'degradation', mode: 'full', active: ['no-extras'] });
      expect([(await at('/expensive')).status, (await at('/health/ready')).status, (await at('/health/live')).status]).to.deep.equal([503, 200, 200]);
      expect([(await service.monitor.ready()).status, (await service.monitor.live()).status]).to.deep.equal(['warn', 'pass']);
      expect(alerts).to.deep.equal(['raised degradation']);
      await service.stop();
      let asked = 0;
      passed.on('asked', () => asked++);
      await clock.advance(60_000);
      expect([asked, service.monitor.checks]).to.deep.equal([0, []]);
      expect(() => part.start()).to.throw('was stopped');
    });

    it('refuses a degradation that is none', () => {
      expect(() =>
        createService({ name: 'stage', adapter: subject.createAdapter(subject.createApp()), degradation: { sources: [] } as never }),
      ).to.throw(TypeError, 'createService degradation');
    });
  });
}
