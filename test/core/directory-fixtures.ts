import { createDirectory } from '@ferrule/core';
import type { Directory, DirectoryEvent, DirectoryOptions, DirectoryStateEvent, Discovery, Instance, Snapshot } from '@ferrule/core';
import { newest } from '@ferrule/core/adapter';
import type { Sink } from '@ferrule/core/adapter';
import { manualClock, seededRandom } from '@ferrule/testing';

interface Watch {
  readonly service: string;
  readonly sink: Sink<readonly Instance[]>;
  readonly at: number;
  ended: boolean;
}

/** A directory over a discovery that does what it is told, at the time of a manual clock. */
export function scene(options: Partial<DirectoryOptions> = {}) {
  const clock = manualClock();
  const watches: Watch[] = [];
  const failing = { error: undefined as Error | undefined };
  const discovery: Discovery = {
    watch: (service, signal) =>
      newest(signal, (sink) => {
        const watch: Watch = { service, sink, at: clock.now(), ended: false };
        watches.push(watch);
        if (failing.error !== undefined) throw failing.error;
        return () => void (watch.ended = true);
      }),
    services: async () => [],
  };
  const log: { level: string; fields: Record<string, unknown>; message: string }[] = [];
  const write = (level: string) => (fields: object, message: string) => void log.push({ level, fields: { ...fields }, message });
  const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  const directory: Directory = createDirectory({ discovery, clock, random: seededRandom(1), logger, ...options });
  const events: DirectoryEvent[] = [];
  directory.onChange((event) => events.push(event));
  const states: DirectoryStateEvent[] = [];
  directory.onState((event) => states.push(event));
  const settle = () => clock.advance(0);
  return {
    clock,
    watches,
    failing,
    directory,
    events,
    states,
    log,
    settle,
    /** The watch that is under way. */
    last: () => watches.at(-1)!,
    /** Looks the service up and gives it its first list. */
    async bound(...list: Instance[]) {
      directory.lookup('orders');
      await settle();
      watches.at(-1)!.sink.push(list);
      await settle();
    },
  };
}

export function instance(id: string, change: Partial<Instance> = {}): Instance {
  return { id, service: 'orders', host: '127.0.0.1', port: 8080, ...change };
}

export const idsOf = (snapshot: Snapshot): string => snapshot.instances.map(({ id }) => id).join(' ');
export const eventsOf = (events: readonly DirectoryEvent[]): string[] =>
  events.map(({ type, instance: { id }, revision }) => `${type} ${id} @${revision}`);

export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}
