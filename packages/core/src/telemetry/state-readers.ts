import type { Measurement, StateSource } from './state-metrics.js';

// Structural: what these read is made in layers above this one.

interface ReadableDirectory {
  stats(): { readonly services: readonly { readonly service: string; readonly failures: number }[] };
  instances(service: string): readonly { readonly status?: Status }[];
}
interface ReadablePicks {
  readonly service: string;
  picks(): readonly { readonly strategy: string; readonly count: number }[];
}
interface ReadableChecks {
  latest(): readonly { readonly name: string; readonly status: Status }[];
}

type Status = 'pass' | 'warn' | 'fail';
/** In the order of their numbers. */
const STATUSES: readonly Status[] = ['pass', 'warn', 'fail'];

/** Whether it is a directory that can be read, and not only looked up in. */
export function isReadableDirectory(given: object): given is ReadableDirectory {
  return 'stats' in given && 'instances' in given;
}

/** How many instances of each service are listed, in each status, and how often its watch broke. */
export function directoryState(directory: ReadableDirectory): StateSource {
  return {
    of: directory,
    *read() {
      for (const { service, failures } of directory.stats().services) {
        const counts = new Map<Status, number>(STATUSES.map((status) => [status, 0]));
        for (const { status = 'pass' } of directory.instances(service)) counts.set(status, counts.get(status)! + 1);
        // Zeros are told too: a series that ends with the last value of better days looks like them.
        for (const [status, count] of counts)
          yield measurement('ferrule.registry.instances', count, { 'ferrule.service': service, 'ferrule.status': status });
        yield measurement('ferrule.registry.watch.errors', failures, { 'ferrule.service': service });
      }
    },
  };
}

/** How often each balancer of a selector has picked. */
export function pickState(selector: ReadablePicks): StateSource {
  return {
    of: selector,
    *read() {
      for (const { strategy, count } of selector.picks())
        yield measurement('ferrule.lb.picks', count, { 'ferrule.service': selector.service, 'ferrule.strategy': strategy });
    },
  };
}

/** What each check said last; one that has not answered yet is not told. Nothing is run for it. */
export function healthState(monitor: ReadableChecks): StateSource {
  return {
    of: monitor,
    *read() {
      for (const { name, status } of monitor.latest())
        yield measurement('ferrule.health.status', STATUSES.indexOf(status), { 'ferrule.check': name });
    },
  };
}

function measurement(instrument: Measurement['instrument'], value: number, attributes: Measurement['attributes']): Measurement {
  return { instrument, value, attributes };
}
