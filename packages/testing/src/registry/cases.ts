import type { RegistryCase } from './bench.js';
import { disposingCases } from './disposing.js';
import { faultCases } from './faults.js';
import { fieldCases } from './fields.js';
import { nameCases } from './names.js';
import { registeringCases } from './registering.js';
import { watchingCases } from './watching.js';

/**
 * What every registry promises, whatever it keeps its entries in. `skipReason` says which cases a subject is not put to; with mocha:
 * `for (const one of registryCases) it(one.name, () => one.run(subject))`.
 */
export const registryCases: readonly RegistryCase[] = Object.freeze([
  ...fieldCases,
  ...registeringCases,
  ...watchingCases,
  ...nameCases,
  ...disposingCases,
  ...faultCases,
]);
