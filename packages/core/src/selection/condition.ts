import type { Call } from '../call/call.js';
import { unknownOption } from '../options/check.js';
import { shown } from '../options/shown.js';
import { FIELD_KINDS, fieldReader, kindOfField } from '../call/call-field.js';
import type { CallField, NamedValues } from '../call/call-field.js';
import { glob } from '../options/glob.js';

/**
 * - `equals`, `not_equals`: the whole text. What is absent equals nothing.
 * - `in`: equals one of a list.
 * - `contains`, `prefix`: somewhere, at the start.
 * - `exists`: it is there, or with the value false it is not.
 * - `matches`: a pattern for the whole text, or a list of them: `*` stands for any characters, `?` for one, `\` takes the next as it is. From code a
 *   RegExp too; never from configuration, since whoever may write a rule could stop the process with one.
 */
export type ConditionOp = 'equals' | 'not_equals' | 'in' | 'contains' | 'prefix' | 'exists' | 'matches';

export type ConditionValue = string | number | boolean;

/**
 * One thing that a call has to say: `{ header: 'x-tenant', op: 'equals', value: 'acme' }`. Case counts, but not in names of headers. Of a field that
 * says several things, one has to fit, and for `not_equals` none may equal.
 */
export type Condition = CallField & {
  /** Default `equals`, and `exists` without a value. */
  readonly op?: ConditionOp;
  readonly value?: ConditionValue | readonly ConditionValue[] | RegExp;
};

const OPS: readonly string[] = ['equals', 'not_equals', 'in', 'contains', 'prefix', 'exists', 'matches'];
const MEMBERS: readonly string[] = [...FIELD_KINDS, 'op', 'value'];

/** Compiled once. `values` names the values of calls. @throws TypeError naming what does not fit. */
export function conditionOf(condition: Condition, where: string, values: NamedValues): (call: Call) => boolean {
  const kind = kindOfField(condition, where);
  for (const name of Object.keys(condition)) if (!MEMBERS.includes(name)) throw unknownOption(where, name, MEMBERS);
  const { value, op = value === undefined ? 'exists' : 'equals' } = condition;
  if (!OPS.includes(op)) throw new TypeError(`${where} op: ${shown(op)} is unknown. Use one of ${OPS.join(', ')}.`);
  const read = fieldReader({ [kind]: (condition as Readonly<Record<string, unknown>>)[kind] } as unknown as CallField, where, values);
  if (op === 'exists') {
    if (value !== undefined && typeof value !== 'boolean')
      throw new TypeError(`${where} value: exists takes true or false, and was given ${shown(value)}. To compare, use equals.`);
    const wanted = value !== false;
    return (call) => (read(call) !== undefined) === wanted;
  }
  const fits = testOf(op, value, `${where} value`);
  const negated = op === 'not_equals';
  return (call) => {
    const found = read(call);
    if (found === undefined) return negated;
    return (typeof found === 'string' ? fits(found) : found.some(fits)) !== negated;
  };
}

function testOf(op: ConditionOp, value: unknown, where: string): (text: string) => boolean {
  if (op === 'in') {
    if (!Array.isArray(value) || value.length === 0)
      throw new TypeError(`${where}: in takes a list, and was given ${shown(value)}. Give one, such as ['a', 'b'].`);
    const known = new Set(value.map((one) => textOf(one, op, where)));
    return (text) => known.has(text);
  }
  if (op === 'matches') return patternOf(value, where);
  const wanted = textOf(value, op, where);
  switch (op) {
    case 'contains':
      return (text) => text.includes(wanted);
    case 'prefix':
      return (text) => text.startsWith(wanted);
    default:
      return (text) => text === wanted;
  }
}

function patternOf(value: unknown, where: string): (text: string) => boolean {
  if (value instanceof RegExp) {
    // Both make a RegExp remember where it stopped, so that it would answer differently every other time.
    const stateless = new RegExp(value.source, value.flags.replace(/[gy]/g, ''));
    return (text) => stateless.test(text);
  }
  const tests = (Array.isArray(value) ? (value as readonly unknown[]) : [value]).map((one) => {
    const fits = glob(textOf(one, 'matches', where));
    if (fits === undefined)
      throw new TypeError(
        `${where}: ${shown(one)} is no pattern. Give at most 256 characters, such as 'eu-*'; a backslash takes the next character as it is.`,
      );
    return fits;
  });
  if (tests.length === 0) throw new TypeError(`${where}: an empty list matches nothing. Give a pattern, such as 'eu-*'.`);
  return (text) => tests.some((fits) => fits(text));
}

function textOf(value: unknown, op: ConditionOp, where: string): string {
  if (typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return String(value);
  throw new TypeError(`${where}: ${op} compares with a text, a number or a boolean, and was given ${shown(value)}.`);
}
