import type { Clock } from '../time/clock.js';
import type { EndpointView } from './endpoint-view.js';

/** The first priority in use became another one. */
export interface PriorityChange {
  readonly service: string;
  /** undefined: there was none before. */
  readonly from: number | undefined;
  readonly to: number;
  /** For people, for example `of priority 0, 0 of 2 instances are ready`. */
  readonly reason: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

/** Tells when the best priority in use of a view changes. A list that runs empty is no change: what comes next is compared with what was before. */
export class PriorityWatch {
  #last: number | undefined;

  constructor(
    readonly service: string,
    readonly view: EndpointView,
    readonly clock: Clock,
    readonly changed: (change: PriorityChange) => void,
  ) {}

  /** Membership or state may have changed. */
  look(): void {
    const to = this.view.best?.priority;
    const from = this.#last;
    if (to === undefined || to === from) return;
    this.#last = to;
    const reason = from === undefined ? 'the first list' : this.#why(Math.min(from, to));
    this.changed({ service: this.service, from, to, reason, at: this.clock.wallTime() });
  }

  /** What there is to say of the better of the two: it went, or it came. */
  #why(priority: number): string {
    let instances = 0;
    let ready = 0;
    for (const level of this.view.levels) {
      if (level.priority !== priority) continue;
      instances += level.members.size;
      ready += level.ready.size;
    }
    if (instances === 0) return `of priority ${priority}, no instance is left`;
    return `of priority ${priority}, ${ready} of ${instances} instances ${ready === 1 ? 'is' : 'are'} ready`;
  }
}
