import type { Instance } from '../registry/registry.js';

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

const MAX_REASON = 256;
/** Names and codes such as `TypeError` or `ECONNREFUSED`: nothing that could be a secret or break a log line. */
const TOKEN = /^[A-Za-z0-9_.:-]{1,64}$/;

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

/** A text that can stand in a log line; undefined for what is none. */
export function reasonOf(reason: unknown): string | undefined {
  return typeof reason === 'string' && reason !== ''
    ? reason.slice(0, MAX_REASON).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ')
    : undefined;
}

/** The code, else the name, of what was thrown, never its message. Never throws, whatever the thrown thing does when read. */
export function thrownName(thrown: unknown): string {
  try {
    if (typeof thrown !== 'object' || thrown === null) return typeof thrown;
    const { code, name } = thrown as { code?: unknown; name?: unknown };
    if (typeof code === 'string' && TOKEN.test(code)) return code;
    return typeof name === 'string' && TOKEN.test(name) ? name : 'Error';
  } catch {
    return 'Error';
  }
}
