import { ValueType } from '@opentelemetry/api';
import type { MetricOptions } from '@opentelemetry/api';
import type { Call } from '../call/call.js';
import { valueKey } from '../call/values.js';
import type { ValueKey } from '../call/values.js';

/** How many attempts a logical call has taken so far. */
interface AttemptCount {
  attempts: number;
}

export const ATTEMPTS_METRIC = 'ferrule.client.attempts';
/** 0 is a call that was refused, or answered from what was kept, before any attempt. */
export const ATTEMPTS_OPTIONS: MetricOptions = {
  description: 'Attempts of an outbound call, retries and hedges included.',
  unit: '{attempt}',
  valueType: ValueType.INT,
  advice: { explicitBucketBoundaries: [0, 1, 2, 3, 4, 5, 6, 8, 10] },
};

const COUNT: ValueKey<AttemptCount> = valueKey<AttemptCount>('attemptCount');
/** Until somebody counts, no attempt looks for a count. */
let counting = false;

/** From now on the attempts of this call are counted. */
export function countAttempts(call: Call): AttemptCount {
  counting = true;
  const count: AttemptCount = { attempts: 0 };
  call.values.set(COUNT, count);
  return count;
}

/** Says that an attempt of the call begins. */
export function attemptBegins(call: Call): void {
  if (!counting) return;
  const count = call.values.get(COUNT);
  if (count !== undefined) count.attempts++;
}
