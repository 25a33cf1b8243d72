import { ServiceError } from '../errors/service-error.js';
import { checkList, checkOptions, checkSignal, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { checkServiceName } from '../registry/instance.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Directory, WarmUpOptions, WarmUpReport } from './directory.js';

const OPTIONS = namesOf<WarmUpOptions>({ concurrency: true, timeout: true, signal: true });

/** @throws TypeError for names or options that do not fit. */
export function checkWarmUp(services: readonly string[], options: WarmUpOptions, what: string): void {
  checkOptions(what, options, OPTIONS);
  checkList(services ?? null, `${what} services`, "names of services, such as ['orders']");
  for (const [index, service] of services.entries()) checkServiceName(service, `${what} services[${index}]`);
  checkSignal(options.signal, `${what} signal`);
  const { concurrency = 10 } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new TypeError(`${what} concurrency: ${shown(concurrency)} services cannot be asked about at a time. Give an integer from 1.`);
  toMs(options.timeout ?? 0, `${what} timeout`);
}

/** As `Directory.warmUp`. */
export async function warmUp(
  directory: Pick<Directory, 'ready'>,
  clock: Clock,
  services: readonly string[],
  options: WarmUpOptions = {},
): Promise<WarmUpReport> {
  checkWarmUp(services, options, 'directory.warmUp');
  const { concurrency = 10, signal } = options;
  const timeoutMs = toMs(options.timeout ?? 10_000, 'directory.warmUp timeout');
  signal?.throwIfAborted();
  const late = new AbortController();
  const timer = clock.schedule(
    timeoutMs,
    () => late.abort(new ServiceError('DEADLINE_EXCEEDED', `The registry told no list within the ${timeoutMs} ms of the warm-up`)),
    { ref: true },
  );
  const given = (): void => late.abort(signal?.reason);
  signal?.addEventListener('abort', given, { once: true });

  const known = new Set<string>();
  const failed: { service: string; error: unknown }[] = [];
  const names = [...new Set(services)];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < names.length) {
      const service = names[next++]!;
      try {
        const { state, error } = await directory.ready(service, late.signal);
        if (state === 'failed') failed.push({ service, error });
        else known.add(service);
      } catch (error) {
        failed.push({ service, error });
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(concurrency, names.length) }, worker));
  } finally {
    timer.cancel();
    signal?.removeEventListener('abort', given);
  }
  signal?.throwIfAborted();
  return { known: names.filter((service) => known.has(service)), failed };
}
