import { FIELD_KINDS } from '../call/call-field.js';
import type { NamedValues } from '../call/call-field.js';
import type { Condition } from '../selection/condition.js';
import { routing } from '../selection/routing.js';
import type { Routing, RoutingRule } from '../selection/routing.js';
import type { OriginalCondition, OriginalRule, RoutingConfiguration, RuleConfiguration } from './configuration.js';
import { isOriginalRule } from './selection-kinds.js';

/** @throws TypeError as `routing()` does. */
export function routingOf(
  config: RoutingConfiguration,
  { values, random }: { readonly values?: NamedValues; readonly random?: () => number } = {},
): Routing {
  const { rules, stableKey } = 'rules' in config ? config : { rules: config, stableKey: undefined };
  return routing(rules.map(ruleOf), {
    ...(stableKey !== undefined && { stableKey }),
    ...(values !== undefined && { values }),
    ...(random !== undefined && { random }),
  });
}

function ruleOf(rule: RuleConfiguration, index: number): RoutingRule {
  return isOriginalRule(rule) ? fromOriginal(rule, index) : rule;
}

/** The original design's rule: its metadata says which instances, its conditions ask the metadata that travels with a call. */
function fromOriginal({ name, service, weight, priority, conditions = [], metadata }: OriginalRule, index: number): RoutingRule {
  return {
    name: name ?? `${service ?? 'rule'}-${index + 1}`,
    ...(service !== undefined && { service }),
    ...(weight !== undefined && { weight }),
    ...(priority !== undefined && { priority }),
    match: conditions.map(conditionOf),
    target: metadata === undefined || Object.keys(metadata).length === 0 ? {} : { metadata },
  };
}

function conditionOf({ field, operator, value }: OriginalCondition): Condition {
  const dot = field.indexOf('.');
  const kind = field.slice(0, Math.max(dot, 0));
  // Only what can be named by text; everything else is a name of metadata, which may have dots.
  const [where, name] = FIELD_KINDS.includes(kind) && kind !== 'callValue' ? [kind, field.slice(dot + 1)] : ['metadata', field];
  const listed = operator === 'in' && typeof value === 'string' ? value.split(',').map((one) => one.trim()) : value;
  return { [where]: name, op: operator, value: listed } as unknown as Condition;
}
