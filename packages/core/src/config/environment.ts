import { nearest } from '../options/nearest.js';
import { EnvironmentText } from './environment-text.js';
import type { Findings, Path } from './findings.js';
import type { Environment } from './interpolate.js';
import { isTree } from './kind.js';
import type { Kind, Tree } from './kind.js';
import { treeOfValue, withValue } from './merge.js';

/** What Kubernetes sets for a Service called `ferrule`. */
const OF_KUBERNETES = /^(?:SERVICE_HOST|SERVICE_PORT(?:_.*)?|PORT(?:_.*)?)$/;

export interface Overridden {
  readonly tree: Tree;
  /** The variables by the path, joined with a line break, that each has set. */
  readonly variables: ReadonlyMap<string, string>;
}

/**
 * The tree with what variables say: `FERRULE_REGISTRY_ADDRESS` is `registry.address`, `FERRULE_CLIENTS_ORDERS_ATTEMPT_TIMEOUT` is
 * `clients.orders.attemptTimeout`. The keys of the schema say where a name ends; what is free (services, options of a registry) is matched to
 * what stands there already, else made of the words: `user-service`, `maxSockets`. A variable that means nothing is a problem.
 */
export function overridden(tree: Tree, kind: Kind, env: Environment, prefix: string, findings: Findings): Overridden {
  const variables = new Map<string, string>();
  let result = tree;
  const unknown: string[] = [];
  for (const name of Object.keys(env).sort()) {
    const text = env[name];
    if (!name.startsWith(prefix) || text === undefined || text === '') continue;
    const rest = name.slice(prefix.length);
    const path = rest === '' ? undefined : pathOf(kind, rest.split('_'), result);
    if (path === undefined) {
      if (!OF_KUBERNETES.test(rest)) unknown.push(name);
      continue;
    }
    const at = isSet(result, 'direct', 'mode') && path[0] === 'direct_mode' ? ['direct', 'mode'] : path;
    variables.set(at.join('\n'), name);
    result = withValue(result, at, new EnvironmentText(text, name, false));
  }
  const known = Object.keys(kind.members ?? {}).map((member) => `${prefix}${wordsOf(member).join('_')}`);
  for (const name of unknown) {
    const first = `${prefix}${name.slice(prefix.length).split('_')[0]}`;
    const expected = 'Take it away, or give the option prefix when it is meant for somebody else';
    findings.add([], { what: `the environment variable ${name} means nothing here`, expected, nearest: nearest(first, known) });
  }
  return { tree: result, variables };
}

function isSet(tree: Tree, section: string, name: string): boolean {
  const value = tree[section];
  return isTree(value) && value[name] !== undefined && value[name] !== null;
}

/** The words of a key as a variable has them: `attemptTimeout` is ATTEMPT and TIMEOUT, `user-service` USER and SERVICE. */
function wordsOf(name: string): readonly string[] {
  return name
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .toUpperCase()
    .split(/[^A-Z\d]+/);
}

function pathOf(kind: Kind, words: readonly string[], present: unknown): Path | undefined {
  if (words.length === 0) return [];
  const tree = treeOfValue(present) ?? {};
  // The longest key that fits, so that `direct_mode` comes before `direct` and its `mode`.
  const keys = Object.keys(kind.members ?? (kind.each === undefined ? {} : tree)).sort((a, b) => wordsOf(b).length - wordsOf(a).length);
  for (const key of keys) {
    const rest = after(wordsOf(key), words);
    const path = rest && pathOf(kind.members?.[key] ?? kind.each!, rest, tree[key]);
    if (path !== undefined) return [key, ...path];
  }
  if (kind.each !== undefined) return newKey(kind.each, words);
  return kind.isOpen === true ? openKey(words, tree) : undefined;
}

/** A name that nobody has written yet: the shortest after which the rest means something, else all of it. */
function newKey(each: Kind, words: readonly string[]): Path | undefined {
  const nameOf = (count: number): string => words.slice(0, count).join('-').toLowerCase();
  if (Object.keys(each.members ?? {}).length === 0) return [nameOf(words.length)];
  for (let count = 1; count <= words.length; count++) {
    const path = pathOf(each, words.slice(count), undefined);
    if (path !== undefined) return [nameOf(count), ...path];
  }
  return undefined;
}

/** Of an object that we do not know: MAX_SOCKETS is `maxSockets`, two underscores go one level deeper. */
function openKey(words: readonly string[], present: Tree): Path {
  const levels = words.join('_').split('__');
  const path: string[] = [];
  let tree: unknown = present;
  for (const level of levels) {
    const known = Object.keys(isTree(tree) ? tree : {}).find((key) => wordsOf(key).join('_') === level);
    const key = known ?? level.toLowerCase().replace(/_([a-z\d])/g, (_all, letter: string) => letter.toUpperCase());
    path.push(key);
    tree = isTree(tree) ? tree[key] : undefined;
  }
  return path;
}

function after(start: readonly string[], words: readonly string[]): readonly string[] | undefined {
  return start.every((word, index) => words[index] === word) ? words.slice(start.length) : undefined;
}
