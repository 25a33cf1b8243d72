import { expect } from 'chai';
import { REQUEST_ID, ServiceError, createService, currentCall, get, silentLogger } from '@ferrule/core';
import type { Call } from '@ferrule/core';
import { rawConnection, requestBytes } from '@ferrule/testing';
import { expressSubject, koaSubject } from './subjects.js';

const REQUESTS = 10_000;
const CONNECTIONS = 50;

/** What is known of a request is its own: in the frame, in the body of its error and in the line of the log. */
describe('ten thousand interleaved requests that fail', () => {
  for (const subject of [expressSubject, koaSubject]) {
    it(`each have their own id, trace and error at ${subject.name}`, async () => {
      const logged = new Map<string, { error?: unknown; traceId?: string }>();
      const wrong: string[] = [];
      const fail = async (call: Call): Promise<never> => {
        const n = Number(call.params['n']);
        for (let turn = 0; turn < n % 7; turn++) await new Promise((resolve) => void setImmediate(resolve));
        const id = currentCall()?.values.get(REQUEST_ID);
        if (id !== `r-${n}`) wrong.push(`frame of ${n}: ${id}`);
        throw n % 2 === 0 ? new ServiceError('NOT_FOUND', `No user ${n}`) : new Error(`secret ${n}`);
      };
      await using service = createService({
        name: 'stage',
        adapter: subject.createAdapter(),
        signals: false,
        drainDelay: 0,
        listen: { host: '127.0.0.1', port: 0 },
        routes: [get('/users/:n', fail)],
        logger: {
          ...silentLogger,
          error: (fields: object) => void logged.set((fields as { requestId: string }).requestId, fields),
        },
      });
      await service.start();
      const { port } = service.address!;
      const client = async (first: number): Promise<void> => {
        const connection = await rawConnection({ host: '127.0.0.1', port });
        for (let n = first; n < first + REQUESTS / CONNECTIONS; n++) {
          connection.send(requestBytes('GET', `/users/${n}`, { 'x-request-id': `r-${n}`, traceparent: `00-${traceOf(n)}-00f067aa0ba902b7-01` }));
          const reply = await connection.reply();
          const { requestId, traceId, detail } = reply.json() as { requestId: string; traceId: string; detail: string };
          const expected = [`r-${n}`, `r-${n}`, traceOf(n), n % 2 === 0 ? `No user ${n}` : 'Internal Server Error'];
          if ([reply.header('x-request-id'), requestId, traceId, detail].join() !== expected.join()) wrong.push(reply.text);
        }
        connection.destroy();
      };
      await Promise.all(Array.from({ length: CONNECTIONS }, (_, index) => client((index * REQUESTS) / CONNECTIONS)));
      for (let n = 1; n < REQUESTS; n += 2) {
        const line = logged.get(`r-${n}`);
        if ((line?.error as Error | undefined)?.message !== `secret ${n}` || line?.traceId !== traceOf(n)) wrong.push(`line of ${n}`);
      }
      expect(wrong).to.deep.equal([]);
      expect(logged.size).to.equal(REQUESTS / 2);
    }).timeout(120_000);
  }
});

function traceOf(n: number): string {
  return (n + 1).toString(16).padStart(32, '0');
}
