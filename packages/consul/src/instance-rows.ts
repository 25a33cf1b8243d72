import type { Instance } from '@ferrule/core';
import { sameInstance } from '@ferrule/core/adapter';
import { OWNER, decode } from './entry.js';
import type { HealthRow } from './entry.js';
import { consulName } from './names.js';
import { sinceOf } from './owner.js';

/** Which instances are given. */
export interface Choice {
  /** Those that fail are left out as long as so many others are there; 0: all are given. */
  readonly leastPassing: number;
}

interface Known {
  readonly instance: Instance;
  readonly node: string | undefined;
  readonly marks: number;
  readonly checks: number;
  readonly maintained: boolean;
}

const MAINTENANCE = /^_(?:service|node)_maintenance/;

/**
 * Reads the rows of one service into its list. A row whose indexes are those of the last time is not decoded again (of 5,000 one has
 * changed), and an instance that says the same as before keeps its object, so that nothing that was learnt about it is lost.
 */
export class InstanceRows {
  readonly #service: string;
  readonly #choice: Choice;
  /** By the id at the agent. */
  #known = new Map<string, Known>();
  #list: readonly Instance[] | undefined;
  #nodes: ReadonlySet<string> = new Set();

  constructor(service: string, choice: Choice) {
    this.#service = service;
    this.#choice = choice;
  }

  /** Frozen and sorted by id; undefined before the first. */
  get list(): readonly Instance[] | undefined {
    return this.#list;
  }

  /** Where the instances of the last list are. */
  get nodes(): ReadonlySet<string> {
    return this.#nodes;
  }

  /** Takes an answer over; whether the list is another one now. */
  take(rows: readonly HealthRow[]): boolean {
    const known = new Map<string, Known>();
    const found = new Map<string, Known>();
    const nodes = new Set<string>();
    const since = new Map<string, number>();
    const before = new Map(this.#list?.map((instance) => [instance.id, instance]));
    const name = consulName(this.#service);
    for (const row of rows) {
      // Consul finds names without regard to case.
      if (row.Service?.Service !== name) continue;
      const one = this.#read(row, before);
      if (one === undefined) continue;
      known.set(row.Service.ID ?? '', one);
      if (one.node !== undefined) nodes.add(one.node);
      const { id } = one.instance;
      const begun = sinceOf(row.Service.Meta?.[OWNER]);
      // The same id at two agents: it moved, and the later one holds.
      if (found.has(id) && begun < since.get(id)!) continue;
      found.set(id, one);
      since.set(id, begun);
    }
    this.#known = known;
    this.#nodes = nodes;
    const chosen = this.#choose([...found.values()]);
    const list = inOrder(chosen, this.#list);
    if (this.#list !== undefined && list.length === this.#list.length && list.every((instance, index) => instance === this.#list![index]))
      return false;
    this.#list = Object.freeze(list);
    return true;
  }

  /** Rows are decoded anew: their indexes may be those of another log. */
  distrust(): void {
    this.#known.clear();
  }

  #read(row: HealthRow, before: ReadonlyMap<string, Instance>): Known | undefined {
    const node = row.Node?.Node;
    const checks = row.Checks ?? [];
    // An index of Consul's log never comes twice, so that of as many checks with the same sum none has changed. Without indexes: NaN.
    let marks = (row.Service?.ModifyIndex ?? Number.NaN) + (row.Node?.ModifyIndex ?? Number.NaN);
    for (const check of checks) marks += check.ModifyIndex ?? Number.NaN;
    const known = this.#known.get(row.Service?.ID ?? '');
    if (known !== undefined && known.marks === marks && known.checks === checks.length && known.node === node) return known;
    const instance = decode(row, this.#service);
    if (instance === undefined) return undefined;
    const same = before.get(instance.id) ?? known?.instance;
    return {
      instance: same !== undefined && sameInstance(same, instance) ? same : Object.freeze(instance),
      node,
      marks,
      checks: checks.length,
      maintained: checks.some(({ CheckID, Status }) => Status === 'critical' && MAINTENANCE.test(CheckID ?? '')),
    };
  }

  /** With too few that pass, a check that everybody fails says more about the check: all are given, but for those in maintenance. */
  #choose(all: readonly Known[]): Instance[] {
    const { leastPassing } = this.#choice;
    if (leastPassing === 0) return all.map(({ instance }) => instance);
    const passing = all.filter(({ instance }) => instance.status !== 'fail');
    const chosen = passing.length >= leastPassing ? passing : all.filter(({ maintained }) => !maintained);
    return chosen.map(({ instance }) => instance);
  }
}

/** Sorted by id; in the order of the list before when it holds the same ids, which is usual and costs a tenth. */
function inOrder(instances: readonly Instance[], before: readonly Instance[] | undefined): Instance[] {
  if (before?.length === instances.length) {
    const byId = new Map(instances.map((instance) => [instance.id, instance]));
    const list = before.flatMap(({ id }) => byId.get(id) ?? []);
    if (list.length === instances.length) return list;
  }
  return instances.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}
