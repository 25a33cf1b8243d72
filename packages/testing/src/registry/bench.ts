import { setTimeout as wait } from 'node:timers/promises';
import type { Instance, Registry } from '@ferrule/core';
import { conformanceCase } from '../conformance.js';
import type { ConformanceCase, Defer } from '../conformance.js';
import type { OpenRegistry, RegistrySubject } from './subject.js';

export type RegistryCase = ConformanceCase<RegistrySubject>;

/** What a case works with; all of it is put away behind it. */
export interface Bench extends OpenRegistry {
  watch(registry: Registry, service: string): WatchedLists;
  /** The first list that fits, watching anew whenever the watch breaks, as a Directory does. */
  eventually(registry: Registry, service: string, fits: (list: readonly Instance[]) => boolean): Promise<readonly Instance[]>;
  corrupt(service: string): Promise<void>;
  /** Takes the backend away; the result brings it back, and does so anyway when the case has ended. */
  outage(knowledge: 'kept' | 'forgotten'): Promise<() => Promise<void>>;
}

export interface WatchedLists {
  /** All lists that were read. */
  readonly seen: readonly (readonly Instance[])[];
  next(): Promise<readonly Instance[]>;
  /** The first list from now on that fits. */
  until(fits: (list: readonly Instance[]) => boolean): Promise<readonly Instance[]>;
  /** Aborts this watch alone, and resolves when it has ended. */
  end(): Promise<void>;
}

const FAULT_DEADLINE_MS = 30_000;
const AGAIN_MS = 100;

export function registryCase(name: string, body: (bench: Bench) => Promise<void>, deadlineMs?: number): RegistryCase {
  return conformanceCase(
    name,
    async (subject: RegistrySubject, defer: Defer) => {
      const open = await subject.open();
      const ending = new AbortController();
      defer(async () => {
        ending.abort();
        await open.first[Symbol.asyncDispose]();
        await open.second[Symbol.asyncDispose]();
        await open.close?.();
      });
      await body({
        ...open,
        watch: (registry, service) => watchedLists(registry, service, ending.signal),
        eventually: (registry, service, fits) => listThat(registry, service, fits, ending.signal),
        corrupt: async (service) => subject.corrupt?.(open, service),
        async outage(knowledge) {
          const back = await subject.outage?.(open, knowledge);
          defer(() => back?.());
          return async () => back?.();
        },
      });
    },
    deadlineMs,
  );
}

/** A case that needs a hook of the subject, and is skipped where there is none. */
export function faultCase(hook: 'corrupt' | 'outage', name: string, body: (bench: Bench) => Promise<void>): RegistryCase {
  const done = hook === 'corrupt' ? 'write garbage into' : 'take away';
  return needing(
    (subject) => (subject[hook] === undefined ? `no test can ${done} what it keeps its entries in` : undefined),
    registryCase(name, body, FAULT_DEADLINE_MS),
  );
}

/** A case about two views, which says nothing of a registry that is seen by its own process alone. */
export function twoViewsCase(name: string, body: (bench: Bench) => Promise<void>): RegistryCase {
  return needing(
    (subject) => (subject.oneView === true ? 'what a process registers is seen by itself alone' : undefined),
    registryCase(name, async (bench) => {
      if (bench.first === bench.second) throw new TypeError('first and second are one object: give the subject oneView: true.');
      await body(bench);
    }),
  );
}

function needing(lacks: (subject: RegistrySubject) => string | undefined, one: RegistryCase): RegistryCase {
  return Object.freeze({
    ...one,
    lacks,
    async run(subject: RegistrySubject, endMs?: number) {
      const reason = lacks(subject);
      if (reason !== undefined) throw new TypeError(`${subject.name}: ${reason}. Ask skipReason() whether to run "${one.name}".`);
      await one.run(subject, endMs);
    },
  });
}

function watchedLists(registry: Registry, service: string, all: AbortSignal): WatchedLists {
  const ending = new AbortController();
  const lists = registry.watch(service, AbortSignal.any([all, ending.signal]))[Symbol.asyncIterator]();
  const seen: (readonly Instance[])[] = [];
  const next = async (): Promise<readonly Instance[]> => {
    const step = await lists.next();
    if (step.done === true) throw new Error(`The watch of ${service} ended`);
    seen.push(step.value);
    return step.value;
  };
  return {
    seen,
    next,
    async until(fits) {
      for (;;) {
        const list = await next();
        if (fits(list)) return list;
      }
    },
    async end() {
      ending.abort();
      while ((await lists.next()).done !== true);
    },
  };
}

async function listThat(
  registry: Registry,
  service: string,
  fits: (list: readonly Instance[]) => boolean,
  signal: AbortSignal,
): Promise<readonly Instance[]> {
  while (!signal.aborted) {
    try {
      for await (const list of registry.watch(service, signal)) if (fits(list)) return list;
    } catch {
      await wait(AGAIN_MS, undefined, { signal });
    }
  }
  throw new Error(`The watch of ${service} ended`);
}

export function instance(id: string, change: Partial<Instance> = {}): Instance {
  return { id, service: 'orders', host: '127.0.0.1', port: 8080, ...change };
}

export function ids(list: readonly Instance[]): string {
  return list.map(({ id }) => id).join(' ');
}
