// One arm of a scenario in a process of its own, told by its parent which; sends what it measured, and ends.
import type { Measured } from './apart.js';
import { hedgingArms } from './hedging.js';
import { limiterArms } from './limiter.js';
import { stormArms } from './storm.js';

const SCENARIOS: Readonly<Record<string, Readonly<Record<string, () => Promise<Measured>>>>> = {
  storm: stormArms,
  hedging: hedgingArms,
  limiter: limiterArms,
};

const [, , scenario, arm] = process.argv;
const began = performance.now();
const measured = await SCENARIOS[scenario!]![arm!]!();
const { user, system } = process.cpuUsage();
process.send!({ ...measured, cpu: (user + system) / 1_000 / (performance.now() - began) }, undefined, undefined, () => process.exit());
