import type { Scenario } from './finding.js';
import { equal, uniformErrors } from './scenarios/equal.js';
import { blackHole, ejection } from './scenarios/failing.js';
import { halfOpen } from './scenarios/half-open.js';
import { hashing } from './scenarios/hashing.js';
import { limiter } from './scenarios/limiter.js';
import { antagonistic, subsets } from './scenarios/scale.js';
import { mixed, slow } from './scenarios/slow.js';
import { retryStorm } from './scenarios/storm.js';
import { hedging } from './scenarios/tail.js';
import { theory } from './scenarios/theory.js';
import { cold, freeze, linkerd } from './scenarios/time.js';
import { unseen } from './scenarios/unseen.js';

/** In the order of the acceptance bars; the last one is for what the default was not chosen on. */
export const SCENARIOS: readonly Scenario[] = [
  theory,
  equal,
  slow,
  mixed,
  blackHole,
  antagonistic,
  linkerd,
  freeze,
  uniformErrors,
  cold,
  retryStorm,
  hedging,
  limiter,
  ejection,
  hashing,
  subsets,
  halfOpen,
  unseen,
];
