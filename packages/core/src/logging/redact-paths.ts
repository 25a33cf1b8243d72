import { shown } from '../options/shown.js';

/** Where paths to secrets lead from here: the steps by key, the one for any key, and whether the value itself is one. */
export interface SecretPaths {
  readonly secret: boolean;
  readonly byKey: ReadonlyMap<string, SecretPaths>;
  readonly any: SecretPaths | undefined;
}

interface Node {
  secret: boolean;
  readonly byKey: Map<string, Node>;
  any: Node | undefined;
}

const LONGEST_PATH = 256;

/** Whether an entry of `redact` is a path rather than a word. */
export function isPath(text: string): boolean {
  return /[.*[]/.test(text);
}

/**
 * Paths as one tree, so that looking costs one step a key however many there are; `a[*].b` and `a[0]` are taken too, as pino writes them.
 * undefined for none. @throws TypeError for a path with an empty step
 */
export function secretPaths(paths: readonly string[]): SecretPaths | undefined {
  if (paths.length === 0) return undefined;
  const root = nodeOf();
  for (const path of paths) {
    let node = root;
    for (const step of stepsOf(path)) {
      if (step === '*') {
        node = node.any ??= nodeOf();
      } else {
        const next = node.byKey.get(step) ?? nodeOf();
        node.byKey.set(step, next);
        node = next;
      }
    }
    node.secret = true;
  }
  return root;
}

/**
 * Where the key leads; undefined when no path goes on. Of a name and `*` that both fit, both are followed. A key with dots in it, as the attributes
 * of OpenTelemetry have them (`{ 'user.email': … }`), is followed as what the same path would lead to.
 */
export function below(paths: SecretPaths | undefined, key: string): SecretPaths | undefined {
  if (paths === undefined) return undefined;
  const dot = key.indexOf('.');
  if (dot > 0 && key.length <= LONGEST_PATH) return below(below(paths, key.slice(0, dot)), key.slice(dot + 1));
  const named = paths.byKey.get(key);
  if (named === undefined || paths.any === undefined) return named ?? paths.any;
  return both(named, paths.any);
}

function both(one: SecretPaths, other: SecretPaths): SecretPaths {
  const byKey = new Map(one.byKey);
  for (const [key, next] of other.byKey) {
    const present = byKey.get(key);
    byKey.set(key, present === undefined ? next : both(present, next));
  }
  const any = one.any === undefined || other.any === undefined ? (one.any ?? other.any) : both(one.any, other.any);
  return { secret: one.secret || other.secret, byKey, any };
}

function nodeOf(): Node {
  return { secret: false, byKey: new Map(), any: undefined };
}

function stepsOf(path: string): readonly string[] {
  const steps = path.replace(/\[(\*|\d{1,9})\]/g, '.$1').split('.');
  if (path.length > LONGEST_PATH || steps.some((step) => step === '' || /[[\]]/.test(step)))
    throw new TypeError(`redact: ${shown(path)} is no path. Give keys with dots between them, such as 'user.email' or 'items.*.iban'.`);
  return steps;
}
