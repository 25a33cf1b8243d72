import { checkMethods, namesOf } from '../../options/check.js';
import type { Discovery } from '../../registry/registry.js';
import type { Check } from '../check.js';
import { TIMED_OPTIONS, timedCheck } from './made-check.js';
import type { TimedCheckOptions } from './made-check.js';

export type RegistryCheckOptions = TimedCheckOptions;

const OPTIONS = namesOf<RegistryCheckOptions>({ ...TIMED_OPTIONS });

/**
 * Whether the registry answers: asks it for the names of its services. It is not critical by default: while the registry is away the last lists
 * are served, and an instance that is taken out for that serves nobody. Its name is `registry` by default.
 * @throws TypeError for what is no registry, and an option that is unknown or does not fit.
 */
export function registryCheck(registry: Pick<Discovery, 'services'>, options: RegistryCheckOptions = {}): Check {
  checkMethods(registry ?? null, ['services'], 'registryCheck', 'Give a Registry or another Discovery, such as consulRegistry()');
  return timedCheck({
    factory: 'registryCheck',
    known: OPTIONS,
    options,
    defaults: { name: 'registry', critical: false },
    async run({ signal }) {
      await registry.services(signal);
      return { status: 'pass' };
    },
  });
}
