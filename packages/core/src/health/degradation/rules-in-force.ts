import { RanOut } from '../bounded-run.js';
import type { BoundedRuns } from '../bounded-run.js';
import type { DegradationSettings } from './options.js';

export type DegradationRuleSettings = DegradationSettings['rules'][number];

/** What rules meet with, for the history. */
export interface RuleEvent {
  readonly kind: 'degraded' | 'rolled-back' | 'rule-failed' | 'rollback-failed';
  readonly rule: string;
  readonly error?: unknown;
}

export interface RulesInForceParts {
  /** The highest priority first. */
  readonly rules: readonly DegradationRuleSettings[];
  readonly runs: BoundedRuns;
  readonly stopping: AbortSignal;
  tell(event: RuleEvent): void;
  /** The pass that is under way; what is done between two passes waits for it. */
  pass(): Promise<void> | undefined;
}

/**
 * Which rules are in force. One that fails or runs out of time is rolled back and harms no other; one that goes on after its time is rolled back
 * again when it ends, between two passes, and not tried again before. One that cannot be rolled back counts as in force, so that somebody tries again.
 */
export class RulesInForce {
  readonly #parts: RulesInForceParts;
  readonly #inForce = new Set<string>();
  /** Rules whose `degrade` ran out of time and has not ended yet. */
  readonly #late = new Set<string>();
  #repairing: Promise<void> | undefined;

  constructor(parts: RulesInForceParts) {
    this.#parts = parts;
  }

  /** Their names, the highest priority first. */
  get names(): readonly string[] {
    return this.#parts.rules.filter(({ name }) => this.#inForce.has(name)).map(({ name }) => name);
  }

  /** Resolves when nothing is done between two passes. */
  async settled(): Promise<void> {
    await this.#repairing;
  }

  /** Takes back what is not wanted, the lowest priority first, and then puts in force what is. */
  async apply(isWanted: (rule: DegradationRuleSettings) => boolean): Promise<void> {
    await this.takeBack((rule) => !isWanted(rule));
    for (const rule of this.#parts.rules) {
      if (this.#parts.stopping.aborted) return;
      if (isWanted(rule) && !this.#inForce.has(rule.name) && !this.#late.has(rule.name) && (await this.#isNeeded(rule))) await this.#degrade(rule);
    }
  }

  /** Takes back those in force of which `which` is true, the lowest priority first. Whether all that were tried succeeded. */
  async takeBack(which: (rule: DegradationRuleSettings) => boolean = () => true): Promise<boolean> {
    let isWell = true;
    for (const rule of this.#parts.rules.toReversed()) {
      if (this.#parts.stopping.aborted) return false;
      if (this.#inForce.has(rule.name) && which(rule) && !(await this.#rollBack(rule))) isWell = false;
    }
    return isWell;
  }

  async #isNeeded(rule: DegradationRuleSettings): Promise<boolean> {
    try {
      return rule.condition === undefined || (await this.#parts.runs.run(`condition of ${rule.name}`, rule.timeoutMs, rule.condition));
    } catch (error) {
      this.#parts.tell({ kind: 'rule-failed', rule: rule.name, error });
      return false;
    }
  }

  async #degrade(rule: DegradationRuleSettings): Promise<void> {
    const { runs, stopping, tell } = this.#parts;
    try {
      await runs.run(rule.name, rule.timeoutMs, rule.degrade);
      this.#inForce.add(rule.name);
      tell({ kind: 'degraded', rule: rule.name });
    } catch (error) {
      tell({ kind: 'rule-failed', rule: rule.name, error });
      if (stopping.aborted) return;
      const end = error instanceof RanOut ? runs.whenEnded(rule.name) : undefined;
      if (end !== undefined) {
        this.#late.add(rule.name);
        void end.then(() => this.#repair(rule));
      }
      if (!(await this.#rollBack(rule))) this.#inForce.add(rule.name);
    }
  }

  async #rollBack(rule: DegradationRuleSettings): Promise<boolean> {
    try {
      await this.#parts.runs.run(`rollback of ${rule.name}`, rule.timeoutMs, rule.rollback);
      this.#inForce.delete(rule.name);
      this.#parts.tell({ kind: 'rolled-back', rule: rule.name });
      return true;
    } catch (error) {
      this.#parts.tell({ kind: 'rollback-failed', rule: rule.name, error });
      return false;
    }
  }

  /** What a rule has done after it was rolled back is rolled back once more. */
  async #repair(rule: DegradationRuleSettings): Promise<void> {
    const { stopping, pass } = this.#parts;
    while ((this.#repairing ?? pass()) !== undefined) await (this.#repairing ?? pass());
    if (stopping.aborted) return;
    this.#repairing = this.#rollBack(rule)
      .then((done) => void (done || this.#inForce.add(rule.name)))
      .finally(() => {
        this.#late.delete(rule.name);
        this.#repairing = undefined;
      });
    await this.#repairing;
  }
}
