import { nearest } from '../options/nearest.js';
import { EnvironmentText, parsedText, plainValue } from './environment-text.js';
import { isSecretPath } from './findings.js';
import type { Findings, Path } from './findings.js';
import { isTree, oneOf } from './kind.js';
import type { Kind, Tree } from './kind.js';

export function list(item: Kind, expects = `a list of ${item.expects}`): Kind {
  return {
    expects,
    read(value, path, findings) {
      const given = value instanceof EnvironmentText ? itemsOf(value) : value;
      if (!Array.isArray(given)) {
        findings.add(path, { value, what: 'is no list', expected: `Give ${expects}` });
        return undefined;
      }
      return given.map((one: unknown, index) => readItem(item, one, [...path, String(index)], findings));
    },
  };
}

function readItem(item: Kind, value: unknown, path: Path, findings: Findings): unknown {
  if (value !== null && value !== undefined) return item.read(value, path, findings);
  findings.add(path, { what: 'nothing stands there', expected: `Give ${item.expects}` });
  return undefined;
}

function itemsOf(value: EnvironmentText): unknown {
  const parsed = parsedText(value);
  if (parsed !== undefined) return parsed;
  return value.text.split(',').map((part) => new EnvironmentText(part.trim(), value.variable, value.isSecret));
}

/** The value as an object; undefined when it is none, which is told. */
function treeOf(value: unknown, expects: string, path: Path, findings: Findings): Tree | undefined {
  const given = value instanceof EnvironmentText ? parsedText(value) : value;
  if (isTree(given)) return given;
  findings.add(path, { value, what: 'is no object', expected: `Give ${expects}` });
  return undefined;
}

interface RecordOptions {
  /** What its keys are. */
  readonly name?: string;
  readonly fits?: (name: string) => boolean;
}

/** An object whose keys are names of somebody's choice. */
export function record(each: Kind, { name = 'a name', fits = isName }: RecordOptions = {}): Kind {
  const expects = `an object of ${each.expects}, by ${name}`;
  return {
    expects,
    each,
    read(value, path, findings) {
      const tree = treeOf(value, expects, path, findings);
      if (tree === undefined) return undefined;
      const entries: [string, unknown][] = [];
      for (const [key, one] of Object.entries(tree)) {
        if (one === null || one === undefined) continue;
        if (fits(key)) entries.push([key, each.read(one, [...path, key], findings)]);
        else findings.add([...path, key], { what: `that is not ${name}`, expected: 'Give 1 to 200 visible ASCII characters' });
      }
      return Object.fromEntries(entries);
    },
  };
}

function isName(name: string): boolean {
  return name !== '__proto__' && /^[\x21-\x7e]{1,200}$/.test(name);
}

interface ShapeOptions {
  readonly required?: readonly string[];
  /** For keys that stand elsewhere here: where. */
  readonly elsewhere?: Readonly<Record<string, string>>;
}

/**
 * An object with the members of `O`: each option of a part is here with its kind, or named as one that only code can give, or it does not
 * compile; so no part can have an option that a configuration has forgotten.
 */
export function shape<O extends object>(): <C extends keyof O & string = never>(
  members: Readonly<Record<Exclude<keyof O & string, C>, Kind>>,
  inCode?: Readonly<Record<C, true>>,
  options?: ShapeOptions,
) => Kind {
  return (members, inCode, { required = [], elsewhere = {} } = {}) => {
    const kinds: Readonly<Record<string, Kind>> = members;
    const names = Object.keys(kinds);
    const expects = names.length > 6 ? `an object with members such as ${names.slice(0, 6).join(', ')}` : `an object with ${names.join(', ')}`;
    const kind: Kind = {
      expects,
      members: kinds,
      read(value, path, findings) {
        const tree = treeOf(value, expects, path, findings);
        if (tree === undefined) return undefined;
        const entries: [string, unknown][] = [];
        for (const [name, one] of Object.entries(tree)) {
          if (one === null || one === undefined) continue;
          const at = [...path, name];
          const member = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
          if (member !== undefined) {
            const read = member.read(one, at, findings);
            if (read !== undefined) entries.push([name, read]);
          } else if (Object.hasOwn(elsewhere, name)) {
            findings.add(at, { what: 'there is no such key here', expected: `It is ${elsewhere[name]}` });
          } else if (inCode !== undefined && Object.hasOwn(inCode, name)) {
            findings.add(at, { what: 'a configuration cannot hold it', expected: 'Give it in code' });
          } else {
            findings.add(at, { what: 'there is no such key', expected: `There are ${names.join(', ')}`, nearest: nearest(name, names) });
          }
        }
        for (const name of required)
          if (tree[name] === undefined || tree[name] === null)
            findings.add([...path, name], { what: 'it is missing', expected: `Give ${kinds[name]!.expects}` });
        return Object.fromEntries(entries);
      },
    };
    return kind;
  };
}

/** One kind for objects, one for lists, one for everything else: what is given says which. */
export function either(kinds: { readonly object?: Kind; readonly list?: Kind; readonly scalar?: Kind }): Kind {
  const { object, list: items, scalar: single } = kinds;
  const all = [single, items, object].filter((kind) => kind !== undefined);
  const expects = all.map((kind) => kind.expects).join(', or ');
  // Several of something stand in a variable with commas between.
  const ofText = (given: string): Kind | undefined =>
    object !== undefined && /^\s*\{/.test(given) ? object : items !== undefined && (single === undefined || /^\s*\[|,/.test(given)) ? items : single;
  return {
    expects,
    ...(object?.members !== undefined && { members: object.members }),
    ...(object?.each !== undefined && { each: object.each }),
    ...(object?.isOpen === true && { isOpen: true }),
    read(value, path, findings) {
      const kind = value instanceof EnvironmentText ? ofText(value.text) : isTree(value) ? object : Array.isArray(value) ? items : single;
      if (kind !== undefined) return kind.read(value, path, findings);
      findings.add(path, { value, what: 'does not fit', expected: `Give ${expects}` });
      return undefined;
    },
  };
}

/** An object of which we know `known`, and the rest whoever takes it. */
export function open(known: Readonly<Record<string, Kind>>, expects: string): Kind {
  return {
    expects,
    isOpen: true,
    members: known,
    read(value, path, findings) {
      const tree = treeOf(value, expects, path, findings);
      if (tree === undefined) return undefined;
      const entries = Object.entries(tree)
        .filter(([name, one]) => name !== '__proto__' && one !== null && one !== undefined)
        .map(([name, one]): [string, unknown] => {
          const at = [...path, name];
          return [name, Object.hasOwn(known, name) ? known[name]!.read(one, at, findings) : plain(one, at, findings)];
        });
      return Object.fromEntries(entries);
    },
  };
}

/** Any JSON. */
function plain(value: unknown, path: Path, findings: Findings): unknown {
  if (value instanceof EnvironmentText) {
    if (value.isSecret || isSecretPath(path)) findings.hide(value.text);
    return isSecretPath(path) ? value.text : (parsedPlain(value, path, findings) ?? plainValue(value.text));
  }
  if (typeof value === 'string' && isSecretPath(path)) findings.hide(value);
  if (Array.isArray(value)) return value.map((one, index) => plain(one, [...path, String(index)], findings));
  if (!isTree(value)) return value;
  const entries = Object.entries(value).filter(([name, one]) => name !== '__proto__' && one !== null && one !== undefined);
  return Object.fromEntries(entries.map(([name, one]) => [name, plain(one, [...path, name], findings)]));
}

function parsedPlain(value: EnvironmentText, path: Path, findings: Findings): unknown {
  const parsed = parsedText(value);
  return parsed === undefined ? undefined : plain(parsed, path, findings);
}

/** Which kind of an object it is, by its member `type`. */
export function byType(kinds: Readonly<Record<string, Kind>>): Kind {
  const type = oneOf(Object.keys(kinds));
  const named: Kind = {
    expects: `an object whose type is ${type.expects}`,
    members: Object.assign({ type }, ...Object.values(kinds).map(({ members }) => members)) as Readonly<Record<string, Kind>>,
    read(value, path, findings) {
      const given = isTree(value) ? value['type'] : undefined;
      if (given === undefined || given === null) {
        findings.add([...path, 'type'], { what: 'it is missing', expected: `Give ${type.expects}` });
        return undefined;
      }
      const name = type.read(given, [...path, 'type'], findings);
      if (name === undefined) return undefined;
      return kinds[name as string]!.read({ ...(value as object), type: name }, path, findings);
    },
  };
  return named;
}

/** The types of `alone` may stand by themselves: `'p2c'` is `{ type: 'p2c' }`. */
export function typeOrObject(kinds: Readonly<Record<string, Kind>>, alone: readonly string[] = Object.keys(kinds)): Kind {
  const single = oneOf(alone);
  const scalar: Kind = {
    ...single,
    read(value, path, findings) {
      const name = value instanceof EnvironmentText ? value.text : value;
      if (typeof name !== 'string' || alone.includes(name) || !Object.hasOwn(kinds, name)) return single.read(value, path, findings);
      const needed = Object.keys(kinds[name]!.members ?? {}).filter((member) => member !== 'type');
      findings.add(path, { value, what: 'needs more than its name', expected: `Give { type: ${name}, … } with ${needed.join(', ')}` });
      return undefined;
    },
  };
  return either({ scalar, object: byType(kinds) });
}
