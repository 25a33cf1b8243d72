import { posix } from 'node:path';
import { withoutComments } from './repository.js';
import type { Source } from './repository.js';

/** One import of a file: what it names, and whether only types come of it. */
export interface Import {
  readonly from: string;
  readonly specifier: string;
  readonly typeOnly: boolean;
}

/**
 * Which folders of core a folder may import from, itself aside: the order of the layers.
 * `server` and `client` do not know each other, so that a service that calls nobody loads no client.
 */
const BASE = ['options', 'time', 'logging', 'call', 'alerts', 'errors'] as const;
const WRAPPING = [...BASE, 'wrappers', 'telemetry', 'validation'] as const;
const SELECTING = [...WRAPPING, 'registry', 'discovery', 'balancing', 'selection'] as const;
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  options: [],
  time: ['options'],
  logging: ['options', 'time'],
  call: ['options', 'time', 'logging'],
  alerts: ['options', 'time', 'logging'],
  errors: ['options', 'time', 'logging', 'call', 'alerts'],
  wrappers: BASE,
  telemetry: [...BASE, 'wrappers'],
  validation: [...BASE, 'wrappers'],
  decorators: [],
  registry: WRAPPING,
  health: [...WRAPPING, 'registry', 'discovery'],
  discovery: [...WRAPPING, 'registry'],
  balancing: [...WRAPPING, 'registry', 'discovery'],
  selection: [...WRAPPING, 'registry', 'discovery', 'balancing'],
  client: [...SELECTING, 'decorators', 'health'],
  hybrid: [...SELECTING, 'health', 'client'],
  server: [...WRAPPING, 'health', 'decorators'],
  service: [...SELECTING, 'health', 'client', 'server'],
  config: [...SELECTING, 'health', 'client', 'hybrid', 'server', 'service'],
  di: [...SELECTING, 'decorators', 'health', 'client', 'server', 'service', 'config'],
};

/** What an adapter package may import of ours. */
const PUBLIC_ENTRIES: readonly string[] = ['@ferrule/core', '@ferrule/core/adapter'];

const STATEMENT = /(?:^|[;}\n])\s*(import|export)\s+(type\s+)?(?:[\w*\s{},$]*?\sfrom\s*|(?=['"]))['"]([^'"]+)['"]/g;
const DYNAMIC = /\bimport\s*\(\s*['"]([^'"]+)['"]/g;
const NAMED = /\{([^}]*)\}/;

/** The imports and re-exports of a file, dynamic ones included. */
export function importsOf({ path, text }: Source): readonly Import[] {
  const code = withoutComments(text);
  const found: Import[] = [];
  for (const [statement, , type, specifier] of code.matchAll(STATEMENT)) {
    const names = NAMED.exec(statement)?.[1]
      ?.split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
    const typeOnly = type !== undefined || (names !== undefined && names.length > 0 && names.every((name) => name.startsWith('type ')));
    found.push({ from: path, specifier: specifier!, typeOnly });
  }
  for (const [, specifier] of code.matchAll(DYNAMIC)) found.push({ from: path, specifier: specifier!, typeOnly: false });
  return found;
}

/** The file that a relative import names; undefined for packages. */
export function targetOf({ from, specifier }: Import): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts') : undefined;
}

/** Imports that go against the order, each in a sentence. Types count: a layer that names a higher one's types cannot be read without it. */
export function layerViolations(sources: readonly Source[]): readonly string[] {
  const problems: string[] = [];
  for (const source of sources) {
    const home = /^packages\/([^/]+)\/src\/(?:([^/]+)\/)?/.exec(source.path);
    if (home === null) continue;
    const [, name, folder] = home;
    for (const one of importsOf(source)) {
      const problem = name === 'core' ? coreProblem(one, folder) : packageProblem(one, name!);
      if (problem !== undefined) problems.push(`${source.path} imports ${one.specifier}: ${problem}`);
    }
  }
  return problems;
}

function coreProblem(one: Import, folder: string | undefined): string | undefined {
  if (one.specifier.startsWith('@ferrule/')) return 'core knows no other package, and itself by relative paths';
  const target = targetOf(one);
  if (target === undefined) return ['express', 'koa'].includes(one.specifier) ? 'core knows no framework' : undefined;
  const there = /^packages\/core\/src\/(?:([^/]+)\/)?/.exec(target);
  if (there === null) return 'it lies outside of src';
  if (folder === undefined) return undefined; // an entry point gathers all
  if (there[1] === undefined) return 'nothing imports an entry point';
  if (there[1] === folder) return undefined;
  const allowed = LAYERS[folder];
  if (allowed === undefined) return `the folder ${folder} has no place in the order of the layers`;
  return allowed.includes(there[1]) ? undefined : `${folder} stands below ${there[1]} or beside it`;
}

function packageProblem(one: Import, name: string): string | undefined {
  const target = targetOf(one);
  if (target !== undefined) return target.startsWith(`packages/${name}/src/`) ? undefined : 'it lies in another package';
  if (!one.specifier.startsWith('@ferrule/')) return undefined;
  return PUBLIC_ENTRIES.includes(one.specifier) ? undefined : 'a package uses what a stranger could: @ferrule/core and @ferrule/core/adapter';
}

/** Rings of files that import each other, each as the files in order. `types: false` leaves out imports that vanish at run time. */
export function importCycles(sources: readonly Source[], { types }: { readonly types: boolean }): readonly (readonly string[])[] {
  const known = new Set(sources.map(({ path }) => path));
  const edges = new Map<string, readonly string[]>(
    sources.map((source) => [
      source.path,
      importsOf(source)
        .filter(({ typeOnly }) => types || !typeOnly)
        .map(targetOf)
        .filter((target): target is string => target !== undefined && known.has(target)),
    ]),
  );
  const cycles = new Map<string, readonly string[]>();
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): void => {
    const at = trail.indexOf(path);
    if (at >= 0) {
      const ring = trail.slice(at);
      cycles.set([...ring].sort().join(), [...ring, path]);
      return;
    }
    if (done.has(path)) return;
    trail.push(path);
    for (const next of edges.get(path) ?? []) visit(next);
    trail.pop();
    done.add(path);
  };
  for (const path of edges.keys()) visit(path);
  return [...cycles.values()];
}
