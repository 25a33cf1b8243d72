import { randomUUID } from 'node:crypto';
import { silentLogger } from '../logging/logger.js';
import { systemClock } from '../time/clock.js';
import { abortableOf, sleep } from '../time/sleep.js';
import type { Alert } from './alert.js';
import { KnownAlerts } from './known-alerts.js';
import type { Told } from './known-alerts.js';
import { signer } from './signature.js';
import { webhookSettings } from './webhook-options.js';
import type { WebhookOptions } from './webhook-options.js';

export interface WebhookStats {
  /** Taken by the receiver with a 2xx. */
  readonly delivered: number;
  /** Given up: refused, redirected, or out of retries. */
  readonly failed: number;
  /** Requests made, retries included. */
  readonly attempts: number;
  /** Not sent because the same was told before. */
  readonly duplicates: number;
  /** Left out because too many were waiting, its body could not be made, or the webhook was closed. */
  readonly dropped: number;
  /** Waiting or under way. */
  readonly pending: number;
}

/** An alert sink that posts to a URL. */
export interface Webhook extends AsyncDisposable {
  /** Takes an alert and returns at once; never throws. */
  (alert: Alert): void;
  stats(): WebhookStats;
  /** Resolves when nothing is waiting or under way. */
  idle(): Promise<void>;
  /** Aborts what is under way, drops what waits, and takes no more. To have the last ones delivered, await `idle()` first. Idempotent. */
  close(): Promise<void>;
}

interface Delivery {
  readonly alert: Alert;
  readonly text: string;
  readonly told: Told;
}

type Outcome = { readonly kind: 'delivered' } | { readonly kind: 'refused' | 'retry'; readonly why: string; readonly afterMs?: number };

/**
 * Posts alerts to a URL as JSON, one at a time and in their order, without anybody waiting for it. Every attempt of one delivery has the same
 * `webhook-id`, by which a receiver knows a repetition. Redirects are refused, since they would take alert and signature to where nobody meant them to go.
 * @throws TypeError when an option does not fit.
 */
export function webhook(options: WebhookOptions): Webhook {
  const settings = webhookSettings(options);
  const { clock = systemClock, random = Math.random, logger = silentLogger, headers = {}, body = defaultBody } = options;
  const sign = options.secret === undefined ? undefined : signer(options.secret);
  const to = settings.url.origin;
  const known = new KnownAlerts(settings.repeatMs);
  const waiting: Delivery[] = [];
  const over = new AbortController();
  const counts = { delivered: 0, failed: 0, attempts: 0, duplicates: 0, dropped: 0 };
  let busy = false;
  let work: Promise<void> = Promise.resolve();

  /** Ours take the place of those of the options, however those are written. */
  const headersOf = (id: string, timestamp: number, text: string): Headers => {
    const all = new Headers({ 'user-agent': 'ferrule-webhook' });
    for (const [name, value] of Object.entries(headers)) all.set(name, value);
    all.set('content-type', 'application/json');
    all.set('webhook-id', id);
    all.set('webhook-timestamp', String(timestamp));
    if (sign !== undefined) all.set('webhook-signature', sign(id, timestamp, text));
    return all;
  };

  const attempt = async (id: string, text: string): Promise<Outcome> => {
    const ended = new AbortController();
    const timer = clock.schedule(settings.timeoutMs, () => ended.abort(new DOMException('The receiver took too long', 'TimeoutError')));
    counts.attempts++;
    try {
      const timestamp = Math.floor(clock.wallTime() / 1_000);
      const response = await fetch(settings.url, {
        method: 'POST',
        redirect: 'manual',
        signal: AbortSignal.any([over.signal, ended.signal]),
        headers: headersOf(id, timestamp, text),
        body: text,
      });
      // What it says is not read: the status is the answer.
      await response.body?.cancel().catch(() => {});
      return outcomeOf(response, clock.wallTime());
    } catch {
      return { kind: 'retry', why: ended.signal.aborted ? 'timeout' : 'connection failed' };
    } finally {
      timer.cancel();
    }
  };

  const deliver = async ({ alert, text, told }: Delivery): Promise<void> => {
    const id = `msg_${randomUUID()}`;
    for (let tries = 1; ; tries++) {
      const outcome = await attempt(id, text);
      if (over.signal.aborted) return void counts.dropped++;
      if (outcome.kind === 'delivered') return void counts.delivered++;
      if (outcome.kind === 'refused' || tries > settings.retries) {
        counts.failed++;
        known.untell(told);
        logger.error({ to, source: alert.source, subject: alert.subject, why: outcome.why, attempts: tries }, 'An alert was not delivered');
        return;
      }
      const stepMs = Math.min(settings.maxBackoffMs, settings.backoffMs * 2 ** (tries - 1)) * random();
      try {
        await sleep(Math.min(settings.maxBackoffMs, Math.max(stepMs, outcome.afterMs ?? 0)), abortableOf(over.signal), clock);
      } catch {
        return void counts.dropped++;
      }
    }
  };

  const run = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await deliver(next);
    busy = false;
  };

  const send = (alert: Alert): void => {
    if (over.signal.aborted) return void counts.dropped++;
    const told = known.tell(alert, clock.now());
    if (told === undefined) return void counts.duplicates++;
    let text: string;
    try {
      text = JSON.stringify(body(alert)) ?? 'null';
    } catch (error) {
      known.untell(told);
      counts.dropped++;
      logger.error({ to, source: alert.source, subject: alert.subject, error }, 'An alert was dropped: its body could not be made');
      return;
    }
    if (waiting.length >= settings.queue) {
      known.untell(waiting.shift()!.told);
      counts.dropped++;
      logger.warn({ to, waiting: settings.queue }, 'An alert was dropped: too many wait for the receiver');
    }
    waiting.push({ alert, text, told });
    if (busy) return;
    busy = true;
    work = run();
  };

  const close = async (): Promise<void> => {
    counts.dropped += waiting.splice(0).length;
    over.abort();
    await work;
  };
  return Object.assign(send, {
    stats: (): WebhookStats => ({ ...counts, pending: waiting.length + (busy ? 1 : 0) }),
    idle: async () => {
      while (busy) await work;
    },
    close,
    [Symbol.asyncDispose]: close,
  });
}

function outcomeOf(response: Response, now: number): Outcome {
  const { status } = response;
  if (status >= 200 && status < 300) return { kind: 'delivered' };
  const why = `status ${status}`;
  if (status < 500 && ![408, 425, 429].includes(status)) return { kind: 'refused', why: status >= 300 && status < 400 ? `${why}, a redirect` : why };
  const after = response.headers.get('retry-after');
  if (after === null) return { kind: 'retry', why };
  const afterMs = /^\d+$/.test(after) ? Number(after) * 1_000 : Date.parse(after) - now;
  return Number.isFinite(afterMs) ? { kind: 'retry', why, afterMs } : { kind: 'retry', why };
}

function defaultBody(alert: Alert): object {
  return { ...alert, at: new Date(alert.at).toISOString() };
}
