import { EnvironmentText, parsedText } from './environment-text.js';
import { isTree } from './kind.js';
import type { Tree } from './kind.js';

/** Both in one: objects are merged member by member, of everything else the second counts. null takes away. Neither is changed. */
export function merge(first: Tree, second: Tree): Tree {
  const merged = new Map(Object.entries(first));
  for (const [name, value] of Object.entries(second)) {
    const present = merged.get(name);
    if (value === undefined) continue;
    merged.set(name, isTree(present) && isTree(value) ? merge(present, value) : value);
  }
  return Object.fromEntries(merged);
}

/** The value at a path, in what a variable says as JSON too; undefined when there is none. */
export function valueAt(tree: unknown, path: readonly string[]): unknown {
  let value = tree;
  for (const name of path) {
    if (value instanceof EnvironmentText) value = parsedText(value);
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Tree)[name];
  }
  return value;
}

/** A tree with this value at the path, and all else as it was. A text in the way was a type alone: it becomes `{ type }`. */
export function withValue(tree: Tree, [name, ...rest]: readonly string[], value: unknown): Tree {
  if (name === undefined) return tree;
  const present = Object.hasOwn(tree, name) ? tree[name] : undefined;
  const below = treeOfValue(present) ?? (typeof present === 'string' || present instanceof EnvironmentText ? { type: present } : {});
  return Object.fromEntries([
    ...Object.entries(tree).filter(([key]) => key !== name),
    [name, rest.length === 0 ? value : withValue(below, rest, value)],
  ]);
}

/** The value as an object, also where it is JSON in a variable; undefined when it is none. */
export function treeOfValue(value: unknown): Tree | undefined {
  const given = value instanceof EnvironmentText ? parsedText(value) : value;
  return isTree(given) ? given : undefined;
}
