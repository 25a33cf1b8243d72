import { median, ratioRow } from '../harness.js';
import type { Row } from '../harness.js';
import { measure } from './measure.js';
import type { Contestant } from './contestants.js';

const NAMES = ['bare', 'ours', 'cockatiel cooperative', 'cockatiel aggressive', 'opossum', 'moleculer'] as const;
const PEERS = ['cockatiel cooperative', 'cockatiel aggressive'] as const;
const ROUNDS = 31;
const NS_BAR = 0.07;
const BYTES_BAR = 0.15;

/** What retry, breaker and timeout add to a call that succeeds at once. */
export async function successRows(): Promise<readonly Row[]> {
  const slow = (name: Contestant): boolean => name.startsWith('cockatiel');
  const ns = await measure(NAMES, (name) => ({
    measure: 'ns',
    rounds: ROUNDS,
    calls: slow(name) ? 4_000 : 40_000,
    warmUp: slow(name) ? 60_000 : 600_000,
  }));
  const bytes = await measure(NAMES, (name) => ({ measure: 'bytes', rounds: 9, calls: 20_000, warmUp: slow(name) ? 60_000 : 600_000 }));
  return [
    ...PEERS.map((peer) => ratioRow(`success of retry, breaker and timeout, ns, × ${peer}`, ns.ours, ns[peer], NS_BAR)),
    ...PEERS.map((peer) => ratioRow(`success of retry, breaker and timeout, bytes, × ${peer}`, bytes.ours, bytes[peer], BYTES_BAR)),
    ratioRow('success, ns, × opossum (no retry)', ns.ours, ns.opossum),
    ratioRow('success, ns, × moleculer', ns.ours, ns.moleculer),
    ratioRow('success, bytes, × opossum (no retry)', bytes.ours, bytes.opossum),
    ratioRow('success, bytes, × moleculer', bytes.ours, bytes.moleculer),
    { id: 'success, the bare function', unit: 'ns', value: median(ns.bare), samples: { ours: ns.ours, peer: ns.bare } },
    { id: 'success, the bare function', unit: 'bytes', value: median(bytes.bare), samples: { ours: bytes.ours, peer: bytes.bare } },
  ];
}
