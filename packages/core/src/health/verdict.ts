import type { CheckReport, HealthStatus } from './check.js';
import { reasonOf, thrownName } from './reason.js';

/** What one run of a check said. */
export type CheckVerdict = Pick<CheckReport, 'status' | 'output' | 'error'>;

/** The words of other health formats beside our own (draft-inadarei-06 section 3.1, Actuator, Terminus), in lower case. */
const WORDS: ReadonlyMap<string, HealthStatus> = new Map<string, HealthStatus>([
  ['warn', 'warn'],
  ['warning', 'warn'],
  ['degraded', 'warn'],
  ['fail', 'fail'],
  ['error', 'fail'],
  ['down', 'fail'],
  ['unhealthy', 'fail'],
  ['critical', 'fail'],
]);

/** Runs a check; never rejects. */
export async function askCheck(run: () => unknown): Promise<CheckVerdict> {
  try {
    const result = await run();
    letGo(result);
    return verdictOf(result);
  } catch (error) {
    return { status: 'fail', output: thrownName(error), error };
  }
}

/** The reply of a `fetch` whose body nobody reads would keep its connection. */
function letGo(result: unknown): void {
  if (typeof result !== 'object' || result === null) return;
  const { body } = result as { readonly body?: { cancel?(): unknown } | null };
  if (typeof body?.cancel === 'function') void Promise.resolve(body.cancel()).catch(() => {});
}

function verdictOf(result: unknown): CheckVerdict {
  if (result === false) return { status: 'fail', output: 'false' };
  if (typeof result !== 'object' || result === null) return { status: 'pass' };
  const { status, output } = result as { status?: unknown; output?: unknown };
  if (typeof status === 'number' && status >= 400) return { status: 'fail', output: `status ${status}` };
  const word = typeof status === 'string' ? WORDS.get(status.toLowerCase()) : undefined;
  return word === undefined ? { status: 'pass' } : { status: word, output: reasonOf(output) ?? word };
}
