import { expect } from 'chai';
import type { RequestListener } from 'node:http';
import request from 'supertest';
import * as onExpress from '@ferrule-examples/existing-app/express';
import * as onKoa from '@ferrule-examples/existing-app/koa';
import type { Service, ServiceOptions } from '@ferrule/core';
import { memoryRegistry, silentLogger } from '@ferrule/core';

type Report = onExpress.Report;
interface Example {
  readonly name: string;
  existing(): RequestListener;
  withOneWrapper(report: Report): RequestListener;
  asService(report: Report, options: Partial<ServiceOptions>): Service;
}

const EXAMPLES: readonly Example[] = [
  { name: 'Express', existing: onExpress.existingApp, withOneWrapper: onExpress.withOneWrapper, asService: onExpress.asService },
  {
    name: 'Koa',
    existing: () => onKoa.existingApp().callback(),
    // By itself Koa writes a 5xx to the console.
    withOneWrapper: (report) => Object.assign(onKoa.withOneWrapper(report), { silent: true }).callback(),
    asService: onKoa.asService,
  },
];

const report: Report = (id, signal) =>
  id === 'slow'
    ? new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    : Promise.resolve({ report: id });
const me = { authorization: 'me' };

for (const { name, existing, withOneWrapper, asService } of EXAMPLES) {
  describe(`an existing ${name} app`, () => {
    it('was there before', async () => {
      await request(existing()).get('/orders/7').expect(401, 'Who are you?');
      await request(existing()).get('/orders/7').set(me).expect(200, { order: '7' });
    });

    it('adopts one wrapper: bounded in time, with problems for errors, and nothing else changes', async () => {
      const app = withOneWrapper(report);
      await request(app).get('/orders/7').expect(401, 'Who are you?');
      await request(app).get('/orders/7').set(me).expect(200, { order: '7' });
      await request(app).get('/reports/1').set(me).expect(200, { report: '1' });
      const late = await request(app)
        .get('/reports/slow')
        .set(me)
        .expect(504)
        .expect('content-type', /^application\/problem\+json/);
      expect((late.body as { code: string }).code).to.equal('DEADLINE_EXCEEDED');
    });

    it('becomes a service: health, problems, a registration, and its own routes as they were', async () => {
      const registry = memoryRegistry();
      const service = asService((id, signal) => (id === 'none' ? Promise.resolve(undefined) : report(id, signal)), {
        registry,
        signals: false,
        drainDelay: 0,
        logger: silentLogger,
        listen: { host: '127.0.0.1' },
      });
      const { port } = await service.start();
      try {
        const server = request(`http://127.0.0.1:${port}`);
        await server.get('/health/ready').expect(200, { status: 'pass' });
        await server.get('/orders/7').set(me).expect(200, { order: '7' });
        await server.get('/reports/1').expect(401, 'Who are you?');
        await server.get('/reports/1').set(me).expect(200, { report: '1' });
        const missing = await server.get('/reports/none').set(me).expect(404);
        expect((missing.body as { reason: string }).reason).to.equal('REPORT_NOT_FOUND');
        await server.get('/reports/slow').set(me).expect(504);
        expect(await registry.services()).to.deep.equal(['orders']);
      } finally {
        await service.stop();
      }
      expect(await registry.services()).to.deep.equal([]);
    });
  });
}
