import type { Call } from '@ferrule/core';
import type { Balancer } from '@ferrule/core/adapter';
import type { ConformanceSubject } from '../conformance.js';

/** A balancer as its cases need it. */
export interface BalancerSubject extends ConformanceSubject {
  /** A new one, which draws from `random`, from 0 to below 1, if it draws at all. */
  create(random: () => number): Balancer;
  /** A call that it picks for, the n-th of many: a balancer that needs something in a call finds it there. */
  call(n: number): Call;
}
