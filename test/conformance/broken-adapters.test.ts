import type { Socket } from 'node:net';
import { expect } from 'chai';
import { Reply } from '@ferrule/core';
import type { HttpAdapter, Mountable } from '@ferrule/core/adapter';
import { httpAdapterCases } from '@ferrule/testing';
import type { HttpAdapterSubject } from '@ferrule/testing';
import { subjects } from './subjects.js';

/** A table that cannot fail proves nothing: adapters that break one promise each, and the cases that have to notice. */
interface Mutant {
  readonly name: string;
  readonly mountable?: (mountable: Mountable) => Mountable;
  readonly adapter?: (adapter: HttpAdapter) => Partial<HttpAdapter>;
  /** Beginnings of the names of cases that fail with it. */
  readonly caughtBy: readonly string[];
}

const open = new Set<Socket>();

const mutants: readonly Mutant[] = [
  {
    name: 'leaves health to the framework',
    mountable: (mountable) => ({ ...mountable, health: () => false }),
    caughtBy: ['every service answers its four health paths', 'HEAD of a health path', 'health is answered before'],
  },
  {
    name: 'answers 404 in plain text, also for another method',
    mountable: (mountable) => ({ ...mountable, fallthrough: () => new Reply(404, 'Not Found') }),
    caughtBy: [
      'an unknown path is a 404 problem',
      'a known path with another method',
      'OPTIONS of a path without',
      'a malformed escape in the path',
      'what neither our routes nor the app took',
    ],
  },
  {
    name: 'shows the messages of foreign errors',
    mountable: (mountable) => ({
      ...mountable,
      toReply: (error) => new Reply(500, { status: 500, title: 'x', detail: String(error) }, { 'content-type': 'application/problem+json' }),
    }),
    caughtBy: ['errors of foreign middleware are problems', "an error of the app's own parser"],
  },
  {
    name: 'does not say Connection: close while it drains',
    mountable: (mountable) => ({
      ...mountable,
      health(req, res) {
        const { setHeader } = res;
        res.setHeader = (name, value) => (name === 'Connection' ? res : setHeader.call(res, name, value));
        return mountable.health(req, res);
      },
    }),
    caughtBy: ['a request in flight is finished'],
  },
  {
    name: 'cuts what is under way when it closes',
    mountable: (mountable) => ({
      ...mountable,
      health(req, res) {
        open.add(req.socket);
        return mountable.health(req, res);
      },
    }),
    adapter: (adapter) => ({
      close(signal) {
        for (const socket of open) socket.destroy();
        open.clear();
        return adapter.close(signal);
      },
    }),
    caughtBy: ['a request in flight is finished', 'a stream in flight is sent to its end'],
  },
  {
    name: 'never matches a route in another case',
    mountable(mountable) {
      const { routes } = mountable;
      const strict = Object.assign(Object.create(routes) as typeof routes, {
        match: (method: string, url: string) => (/[A-Z]/.test(url) ? undefined : routes.match(method, url)),
        allowed: (url: string) => routes.allowed(url),
      });
      return { ...mountable, routes: strict };
    },
    caughtBy: ['a path matches in any case'],
  },
];

function mutated(subject: HttpAdapterSubject, mutant: Mutant): HttpAdapterSubject {
  return {
    ...subject,
    createAdapter(app) {
      const adapter = subject.createAdapter(app);
      const { mountable = (it: Mountable) => it } = mutant;
      return {
        name: adapter.name,
        mount: (given) => adapter.mount(mountable(given)),
        attach: (server) => adapter.attach(server),
        listen: (options) => adapter.listen(options),
        startDraining: () => adapter.startDraining(),
        close: (signal) => adapter.close(signal),
        ...mutant.adapter?.(adapter),
      };
    },
  };
}

for (const subject of subjects) {
  describe(`the conformance cases notice that an adapter on ${subject.name}`, () => {
    for (const mutant of mutants) {
      for (const beginning of mutant.caughtBy) {
        it(`${mutant.name}: "${beginning}…"`, async () => {
          const [one, ...others] = httpAdapterCases.filter(({ name }) => name.startsWith(beginning));
          expect(others).to.have.length(0);
          const failure: unknown = await one!.run(mutated(subject, mutant)).then(
            () => undefined,
            (error: unknown) => error,
          );
          expect(failure).to.be.instanceOf(Error);
        }).timeout(10_000);
      }
    }
  });
}
