import type { Instance } from '../../registry/registry.js';
import { reasonOf, thrownName } from '../reason.js';

export interface ProbeContext {
  /** Aborts when the probe's time is over or its instance has left: it has to stop then and leave no socket behind. */
  readonly signal: AbortSignal;
}

/** Why is a word for people and logs, such as `status 503`: no secrets, at most 256 characters are kept. */
export type ProbeResult = boolean | { readonly healthy: boolean; readonly reason?: string };

/** Asks one instance whether it works. Throwing says no, as does anything but `true` and `{ healthy: true }`. */
export type Probe = (instance: Instance, context: ProbeContext) => ProbeResult | Promise<ProbeResult>;

/** What a probe said, as it is kept. */
export interface ProbeVerdict {
  readonly healthy: boolean;
  readonly reason: string;
}

/** Runs a probe; never rejects. */
export async function askProbe(probe: Probe, instance: Instance, context: ProbeContext): Promise<ProbeVerdict> {
  await Promise.resolve(); // whatever it does at once, its caller has returned
  try {
    const result: unknown = await probe(instance, context);
    if (result === true) return { healthy: true, reason: 'ok' };
    if (typeof result !== 'object' || result === null) return { healthy: false, reason: result === false ? 'false' : `answered ${typeof result}` };
    const { healthy, reason } = result as { healthy?: unknown; reason?: unknown };
    return { healthy: healthy === true, reason: reasonOf(reason) ?? (healthy === true ? 'ok' : 'unhealthy') };
  } catch (error) {
    return { healthy: false, reason: thrownName(error) };
  }
}
