import { request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { checkOptions, checkSurroundings, namesOf } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import type { Instance } from '../../registry/registry.js';
import { systemClock } from '../../time/clock.js';
import type { Clock } from '../../time/clock.js';
import type { Check } from '../check.js';
import { addressOf } from './address.js';
import { CHECK_OPTIONS } from '../check-settings.js';
import { checkCount, madeCheck } from './made-check.js';
import type { CheckOptions } from '../check-settings.js';
import type { CheckResult } from './made-check.js';
import { size } from './thresholds.js';

export interface BandwidthCheckOptions extends CheckOptions {
  /** `http:` or `https:`; what it answers has to have at least 16 KiB. Somebody pays for the traffic: use a file of yours. */
  readonly url: string;
  /** Bytes a second below which it warns. */
  readonly warnBelow?: number;
  /** Bytes a second below which it fails. One of both has to be there. */
  readonly failBelow?: number;
  /** No more than so many bytes of the body are taken. Default 262,144; at least 16,384. */
  readonly maxBytes?: number;
  readonly clock?: Clock;
}

const OPTIONS = namesOf<BandwidthCheckOptions>({ ...CHECK_OPTIONS, url: true, warnBelow: true, failBelow: true, maxBytes: true, clock: true });
/** What came with the first packets says nothing of a rate. */
const LEAST_BYTES = 16_384;

/**
 * How fast a body comes from a URL, over a connection of its own, counted from its headers to the last byte that is taken. By default it is asked
 * once in five minutes at most (`cacheFor`), may take 10 s, and is named `bandwidth <host>`.
 * @throws TypeError for an option that is unknown or does not fit.
 */
export function bandwidthCheck(options: BandwidthCheckOptions): Check {
  checkOptions('bandwidthCheck', options, OPTIONS);
  checkSurroundings('bandwidthCheck', options);
  const { warnBelow, failBelow, maxBytes = 262_144, clock = systemClock } = options;
  const { instance, path } = addressOf(options.url, 'bandwidthCheck');
  checkCount(maxBytes, 'bandwidthCheck maxBytes', LEAST_BYTES);
  checkCount(warnBelow, 'bandwidthCheck warnBelow', 1);
  checkCount(failBelow, 'bandwidthCheck failBelow', 1);
  if (warnBelow === undefined && failBelow === undefined)
    throw new TypeError('bandwidthCheck: it has neither warnBelow nor failBelow, so it would always pass. Give bytes a second, such as 1_000_000.');
  if (warnBelow !== undefined && failBelow !== undefined && warnBelow < failBelow)
    throw new TypeError(`bandwidthCheck warnBelow: ${shown(warnBelow)} would never warn, for it fails below ${failBelow} already. Give more.`);
  const judge = (bytes: number, tookMs: number): CheckResult => {
    if (bytes < LEAST_BYTES) return { status: 'fail', output: `${bytes} bytes are too few to measure` };
    const rate = tookMs <= 0 ? Infinity : (bytes * 1_000) / tookMs;
    const status = rate < (failBelow ?? 0) ? 'fail' : rate < (warnBelow ?? 0) ? 'warn' : 'pass';
    return status === 'pass' ? { status } : { status, output: `${size(rate)}/s, less than ${size(status === 'fail' ? failBelow! : warnBelow!)}/s` };
  };
  return madeCheck({
    factory: 'bandwidthCheck',
    known: OPTIONS,
    options,
    defaults: { name: `bandwidth ${instance.host}`, timeout: 10_000, cacheFor: 300_000 },
    run: ({ signal }) =>
      taken(instance, path, signal, (response, done) => {
        const startedAt = clock.now();
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes >= maxBytes) done(judge(bytes, clock.now() - startedAt));
        });
        response.once('end', () => done(judge(bytes, clock.now() - startedAt)));
      }),
  });
}

type Done = (result: CheckResult) => void;

/** A reply as it comes, until `read` is done with it; the connection is closed then, and when the signal aborts. */
function taken(instance: Instance, path: string, signal: AbortSignal, read: (response: IncomingMessage, done: Done) => void): Promise<CheckResult> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const { host, port, scheme } = instance;
    // Compressed, it would be another number of bytes.
    const headers = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'ferrule-probe' };
    let request: ClientRequest | undefined = undefined;
    const end = (settle: () => void): void => {
      signal.removeEventListener('abort', aborted);
      request?.destroy();
      settle();
    };
    const aborted = (): void => end(() => reject(signal.reason));
    const failed = (error: unknown): void => end(() => reject(error));
    const done: Done = (result) => end(() => resolve(result));
    signal.addEventListener('abort', aborted, { once: true });
    request = (scheme === 'https' ? httpsRequest : httpRequest)({ host, port, path, headers, agent: false });
    request.on('error', failed);
    request.once('socket', (socket) => socket.unref());
    // Without a reply nor an error, as after an upgrade that nobody asked for.
    const closed = (): void => done({ status: 'fail', output: 'closed' });
    request.once('close', closed);
    request.once('response', (response) => {
      request?.off('close', closed);
      response.on('error', failed);
      if (response.statusCode === 200) read(response, done);
      else done({ status: 'fail', output: `status ${response.statusCode}` });
    });
    request.end();
  });
}
