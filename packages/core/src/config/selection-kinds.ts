import type { MetadataWanted } from '../selection/by-metadata.js';
import type { TagsWanted } from '../selection/by-tags.js';
import type { CanaryOptions } from '../selection/canary.js';
import type { RoutingOptions, RoutingRule } from '../selection/routing.js';
import type { TargetOptions } from '../selection/target.js';
import type { OriginalCondition, OriginalRule } from './configuration.js';
import { EnvironmentText } from './environment-text.js';
import { either, list, record, shape } from './compound-kinds.js';
import { headerName, isTree, number, oneOf, text } from './kind.js';
import type { Kind } from './kind.js';

const texts = list(text, 'a list of texts');

/** Where something is found in a call. */
const FIELDS = { header: text, query: text, param: text, metadata: text, principal: text, callValue: text };

const field: Kind = {
  ...shape<Record<keyof typeof FIELDS, string>>()(FIELDS),
  expects: "where it is found in a call, such as { header: 'x-tenant' }",
};

const tagsWanted = shape<TagsWanted>()({ all: texts, any: texts, none: texts });

const target: Kind = shape<TargetOptions>()({
  version: text,
  tags: either({ list: texts, object: tagsWanted }),
  metadata: record(either({ scalar: text, list: texts }), { name: 'a key' }),
  zone: either({ scalar: text, list: texts }),
});

const anyScalar: Kind = {
  expects: 'a text, a number, true or false',
  read(value, path, findings) {
    if (value instanceof EnvironmentText) return value.text;
    if (['string', 'number', 'boolean'].includes(typeof value)) return value;
    findings.add(path, { value, what: 'does not fit', expected: 'Give a text, a number, true or false' });
    return undefined;
  },
};
const compared = either({ scalar: anyScalar, list: list(anyScalar, 'a list of them') });

const condition: Kind = {
  ...shape<Record<keyof typeof FIELDS | 'op' | 'value', unknown>>()({
    ...FIELDS,
    op: oneOf(['equals', 'not_equals', 'in', 'contains', 'prefix', 'exists', 'matches']),
    value: compared,
  }),
  expects: "a condition, such as { header: 'x-tenant', op: 'equals', value: 'acme' }",
};

const ourRule: Kind = shape<RoutingRule>()(
  {
    name: text,
    service: text,
    priority: number(-Infinity),
    weight: number(0),
    match: list(condition),
    target,
    stableKey: field,
    whenEmpty: oneOf(['refuse', 'next', 'any']),
  },
  {},
  { required: ['name', 'target'], elsewhere: { conditions: 'match', metadata: 'target.metadata' } },
);

const originalRule: Kind = shape<OriginalRule>()({
  name: text,
  service: text,
  weight: number(0),
  priority: number(-Infinity),
  conditions: list(
    shape<OriginalCondition>()(
      { field: text, operator: oneOf(['equals', 'not_equals', 'contains', 'in']), value: compared },
      {},
      { required: ['field', 'operator', 'value'] },
    ),
  ),
  metadata: record(text, { name: 'a key' }),
});

/** The original design's rules have no target, but conditions or metadata of their own. */
export function isOriginalRule(rule: unknown): rule is OriginalRule {
  return (
    isTree(rule) &&
    rule['target'] === undefined &&
    rule['match'] === undefined &&
    (rule['conditions'] !== undefined || rule['metadata'] !== undefined)
  );
}

const rule: Kind = {
  expects: "a rule, such as { name: 'new', match: […], target: { version: '^2' } }",
  read: (value, path, findings) => (isOriginalRule(value) ? originalRule : ourRule).read(value, path, findings),
};

export const routing: Kind = either({
  list: list(rule, 'a list of rules'),
  object: shape<RoutingOptions & { readonly rules: unknown }>()(
    { rules: list(rule, 'a list of rules'), stableKey: field },
    { values: true, random: true },
    { required: ['rules'] },
  ),
});

export const filter: Kind = shape<{ version: unknown; tags: unknown; metadata: unknown }>()({
  version: either({ scalar: text, object: field }),
  tags: either({
    list: texts,
    object: {
      expects: `${tagsWanted.expects}, or ${field.expects}`,
      read: (value, path, findings) =>
        (isTree(value) && ['all', 'any', 'none'].some((name) => name in value) ? tagsWanted : field).read(value, path, findings),
    },
  }),
  metadata: shape<MetadataWanted>()({ key: text, value: text, values: texts, from: field }, { predicate: true }, { required: ['key'] }),
});

export const canary: Kind = shape<CanaryOptions>()(
  {
    percent: number(0, 100),
    by: field,
    canary: target,
    stable: target,
    header: headerName,
    withoutKey: oneOf(['stable', 'random']),
    whenEmpty: oneOf(['other', 'refuse']),
    salt: text,
  },
  { random: true },
  { required: ['percent', 'by', 'canary'] },
);
