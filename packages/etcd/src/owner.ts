import { randomBytes } from 'node:crypto';

/** Who holds an entry: when its registration began (wall clock, ms) and what tells it from all others. */
export function newOwner(since: number): string {
  return `${Math.trunc(since)}-${randomBytes(8).toString('hex')}`;
}

/** Whether the first began after the second; what is no owner began before all others. */
export function isLater(one: string, other: string | undefined): boolean {
  const [a, b] = [sinceOf(one), sinceOf(other)];
  return a === b ? one > (other ?? '') : a > b;
}

export function sinceOf(owner: string | undefined): number {
  const since = Number(owner?.split('-')[0]);
  return Number.isFinite(since) ? since : 0;
}
