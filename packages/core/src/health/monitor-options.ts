import type { IncomingMessage } from 'node:http';
import { alertSinks } from '../alerts/alert.js';
import type { AlertSink } from '../alerts/alert.js';
import { silentLogger } from '../logging/logger.js';
import type { Logger } from '../logging/logger.js';
import { checkFlag, checkList, checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import type { Check } from './check.js';
import type { HealthFormat } from './report.js';

export interface MonitorOptions {
  readonly checks?: readonly Check[];
  /** Where the health routes live: `<path>`, `<path>/live`, `<path>/ready`, `<path>/startup`, `<path>/groups/<name>`. Default `/health`. */
  readonly path?: string;
  /** Whether `/livez` and `/readyz` are answered too. Default false. */
  readonly aliases?: boolean;
  /** What a reply says. Default `health+json`. */
  readonly format?: 'health+json' | HealthFormat;
  /** Who sees more than the one word. Default `never`; a private address is no authorization, proxies have one. */
  readonly showDetails?: 'never' | 'always' | 'when-authorized';
  /** Asked for `when-authorized`; a throw is a no, and so is anything but `true`, such as a promise. */
  readonly authorize?: (request: IncomingMessage) => boolean;
  /** Of the service, shown with details. Default none; a Service gives its own. */
  readonly version?: string;
  /** How many checks run at a time, of all groups. Default 10. */
  readonly concurrency?: number;
  /** How many answers of each check are remembered for `history`. Default 20; 0 for none. */
  readonly history?: number;
  /** The `Retry-After` of a 503, rounded up to whole seconds, at least one. Default 5 s. */
  readonly retryAfter?: Duration;
  /** Hear of a check that fails, and of its recovery. Default none. */
  readonly alerts?: AlertSink | readonly AlertSink[];
  /** From which status on there is an alert: `fail`, which a check that is not critical never reaches, or `warn`. Default `fail`. */
  readonly alertFrom?: 'warn' | 'fail';
  /** Hears of an alert sink that fails. Default: none is told. */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export interface MonitorSettings {
  readonly path: string;
  readonly aliases: boolean;
  readonly format: 'health+json' | HealthFormat;
  readonly showDetails: 'never' | 'always' | 'when-authorized';
  readonly authorize: ((request: IncomingMessage) => boolean) | undefined;
  readonly version: string | undefined;
  readonly concurrency: number;
  readonly history: number;
  readonly retryAfterMs: number;
  readonly sinks: readonly AlertSink[];
  readonly alertFrom: 'warn' | 'fail';
  readonly logger: Logger;
  readonly clock: Clock;
}

const OPTIONS = namesOf<MonitorOptions>({
  checks: true,
  path: true,
  aliases: true,
  format: true,
  showDetails: true,
  authorize: true,
  version: true,
  concurrency: true,
  history: true,
  retryAfter: true,
  alerts: true,
  alertFrom: true,
  logger: true,
  clock: true,
});
const PATH = /^(?:\/[A-Za-z0-9._~-]+)+$/;
const DETAILS: readonly unknown[] = ['never', 'always', 'when-authorized'];
const MOST_HISTORY = 10_000;

/** @throws TypeError or RangeError naming the option that does not fit. */
export function monitorSettings(options: MonitorOptions): MonitorSettings {
  checkOptions('monitor', options, OPTIONS);
  checkSurroundings('monitor', options);
  checkList(options.checks, 'monitor checks', 'checks, such as { name, run }');
  checkFlag(options.aliases, 'monitor aliases');
  const { path = '/health', showDetails = 'never', authorize, concurrency = 10, retryAfter = 5_000, clock = systemClock, version } = options;
  const { history = 20, format = 'health+json', alertFrom = 'fail' } = options;
  if (!PATH.test(path))
    throw new TypeError(
      `path: ${JSON.stringify(path)} is no path for health routes. Give one or more segments without a slash at the end, such as '/health'.`,
    );
  if (!DETAILS.includes(showDetails))
    throw new TypeError(`showDetails: ${String(showDetails)} is unknown. Use 'never', 'always' or 'when-authorized'.`);
  if (showDetails === 'when-authorized' && typeof authorize !== 'function') {
    throw new TypeError(`authorize: ${String(authorize)} is no function. showDetails: 'when-authorized' needs (request) => boolean.`);
  }
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new RangeError(`concurrency: ${String(concurrency)} checks cannot run at a time. Give an integer from 1.`);
  if (!Number.isInteger(history) || history < 0 || history > MOST_HISTORY)
    throw new RangeError(`monitor history: ${shown(history)} is no count of answers. Give an integer from 0 to ${MOST_HISTORY}.`);
  if (format !== 'health+json' && typeof format !== 'function')
    throw new TypeError(`monitor format: ${shown(format)} is unknown. Use 'health+json' or a function (report, { details }) => body.`);
  if (alertFrom !== 'warn' && alertFrom !== 'fail') throw new TypeError(`monitor alertFrom: ${shown(alertFrom)} is unknown. Use 'warn' or 'fail'.`);
  if (version !== undefined && typeof version !== 'string')
    throw new TypeError(`monitor version: ${shown(version)} is no text. Give one such as '1.2.0', or leave it out.`);
  return {
    path,
    aliases: options.aliases ?? false,
    format,
    showDetails,
    authorize,
    version,
    concurrency,
    history,
    retryAfterMs: toMs(retryAfter, 'retryAfter'),
    sinks: alertSinks(options.alerts, 'monitor alerts'),
    alertFrom,
    logger: options.logger ?? silentLogger,
    clock,
  };
}
