import type { Call } from '../call/call.js';
import { outcomeOf } from '../client/balance.js';
import type { Clock } from '../time/clock.js';
import { named } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';

/** How much of itself the mean keeps: it spans about sixteen attempts, as an endpoint's does. */
const KEPT = 15 / 16;

/** What the attempts at one side of one service came to. */
export class SideMetrics {
  calls = 0;
  failures = 0;
  /** Moving mean of the time of attempts that did not fail, ms; undefined before the first. */
  latencyMs: number | undefined;

  succeeded(tookMs: number): void {
    this.latencyMs = this.latencyMs === undefined ? tookMs : this.latencyMs * KEPT + tookMs * (1 - KEPT);
  }
}

export interface AttemptListener {
  /** The metrics for an attempt; undefined for one that is not ours, such as to an address of the call's own. */
  metricsOf(service: string, id: string): SideMetrics | undefined;
  settled(service: string, failed: boolean): void;
}

/** Counts each attempt by the side of its endpoint. One that was cancelled is counted and says nothing else. */
export function countSides(listener: AttemptListener, clock: Clock): Wrapper {
  return named({ name: 'countSides' }, (next) => (call) => {
    const metrics = call.endpoint === undefined ? undefined : listener.metricsOf(call.operation.service, call.endpoint.id);
    if (metrics === undefined) return next(call);
    const startedAt = clock.now();
    let status: number | undefined;
    call.onAnswered((answered) => {
      status = answered;
    });
    metrics.calls++;
    const reply = next(call);
    reply.then(
      () => {
        metrics.succeeded(clock.now() - startedAt);
        listener.settled(call.operation.service, false);
      },
      (error: unknown) => failed(error, status, call),
    );
    return reply;

    function failed(error: unknown, answered: number | undefined, attempt: Call): void {
      const { kind } = outcomeOf(error, answered, attempt);
      if (kind === 'cancelled') return;
      if (kind === 'ok') {
        metrics!.succeeded(clock.now() - startedAt);
      } else {
        metrics!.failures++;
      }
      listener.settled(attempt.operation.service, kind !== 'ok');
    }
  });
}
