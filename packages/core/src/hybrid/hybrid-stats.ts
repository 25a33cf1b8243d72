import type { LayerState } from '../registry/layer-watch.js';
import type { HybridSide } from './routing.js';
import type { HybridState } from './strategy.js';

/** The best side in use of a service became another one. */
export interface SwitchEvent {
  readonly service: string;
  readonly from: HybridSide;
  readonly to: HybridSide;
  /** What the selector says of it, or which strategy asked for it. */
  readonly reason: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

export interface SideStats {
  /** Attempts that were sent there. */
  readonly calls: number;
  /** Of these: connection failures, timeouts, and replies that say that the endpoint does not work. */
  readonly failures: number;
  /** Moving mean over about sixteen attempts that did not fail; undefined before the first. */
  readonly latencyMs: number | undefined;
  /** Instances, as listed last; undefined while nobody asked. */
  readonly listed: number | undefined;
  readonly state: LayerState;
}

export interface HybridStats extends HybridState {
  /** The one in force; `by hand` after `route`, undefined for none. */
  readonly strategy: string | undefined;
  readonly direct: HybridState['direct'] & SideStats;
  readonly registry: SideStats;
  /** How often the side changed. */
  readonly switches: number;
  /** Actions of strategies that failed and were rolled back. */
  readonly failedActions: number;
}
