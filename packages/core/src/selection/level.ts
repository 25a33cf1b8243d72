import type { View } from '../balancing/balancer.js';
import type { Endpoint } from '../balancing/endpoint.js';
import { DenseSet } from './dense-set.js';

/**
 * The endpoints of one view that are used alike: those of one priority, or, with a zone to prefer, those of one priority inside or
 * outside of it. It is what a balancer picks from. Written by its `EndpointView` alone.
 *
 * Members are what the filters keep, weight 0 left out. Listening are members that do not refuse connections. Ready are members that nobody
 * calls failing and that are not ejected or overloaded. Due are half-open: the next call may probe one.
 */
export class Level implements View {
  endpoints: readonly Endpoint[];
  version = 0;
  now = 0;
  readonly members: DenseSet<Endpoint> = new DenseSet<Endpoint>();
  readonly listening: DenseSet<Endpoint> = new DenseSet<Endpoint>();
  readonly ready: DenseSet<Endpoint> = new DenseSet<Endpoint>();
  readonly due: DenseSet<Endpoint> = new DenseSet<Endpoint>();
  /** Of the calls that need no other choice, 0 to 1. */
  share = 0;
  panic = false;

  /**
   * @param rank the order of levels: the lower one is used first
   * @param priority what the instances say
   * @param near whether its instances are in the zone that is preferred; undefined when none is
   */
  constructor(
    readonly rank: number,
    readonly priority: number,
    readonly near: boolean | undefined,
  ) {
    this.endpoints = this.ready.items;
  }

  /** An endpoint belongs here from now on, or its instance or its state has changed. */
  put(endpoint: Endpoint): void {
    const { state, refused } = endpoint.health;
    const { passing } = endpoint;
    this.members.set(endpoint, true);
    this.listening.set(endpoint, !refused);
    this.ready.set(endpoint, passing && state === 'ready');
    this.due.set(endpoint, passing && state === 'half-open');
    this.version++;
  }

  remove(endpoint: Endpoint): void {
    for (const set of [this.members, this.listening, this.ready, this.due]) set.set(endpoint, false);
    this.version++;
  }

  /** How much of its instances' load it is to carry, and of which of them. */
  take(share: number, panic: boolean): void {
    this.share = share;
    this.panic = panic;
    const endpoints = !panic ? this.ready.items : this.listening.size > 0 ? this.listening.items : this.members.items;
    if (endpoints === this.endpoints) return;
    this.endpoints = endpoints;
    this.version++;
  }
}
