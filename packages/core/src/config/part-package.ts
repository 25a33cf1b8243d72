import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { nearest } from '../options/nearest.js';
import { shown } from '../options/shown.js';

/** A kind of part that packages bring. */
export interface PartKind {
  /** Registries and stores: what they are called, and what a name of a package has in it. */
  readonly word: 'registry' | 'store';
  readonly export: 'createRegistry' | 'createSnapshotStore';
  readonly builtIn: readonly string[];
  /** Types of packages of ours. */
  readonly ours: readonly string[];
}

export type PartFactory = (config: Readonly<Record<string, unknown>>) => unknown;

/** Why a package does not serve; the message stands after the type. */
export class PackageProblem extends Error {
  readonly expected: string;
  readonly nearest: readonly string[];

  constructor(
    message: string,
    expected: string,
    { cause, nearest: likely = [] }: { readonly cause?: unknown; readonly nearest?: readonly string[] } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.expected = expected;
    this.nearest = likely;
  }
}

// As npm has them, so that neither a path nor a URL is one.
const PACKAGE = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;
const RELATIVE = /^\.\/(?:[\w@~-][\w.@~-]*\/)*[\w@~-][\w.@~-]*$/;

/**
 * What a type stands for: a file beside the configuration, or a package.
 * @throws PackageProblem for what is neither, and for a file that the environment names
 */
export function specifierOf(type: string, kind: PartKind, isOfEnvironment: boolean): { readonly file: string } | { readonly package: string } {
  if (type.startsWith('.')) {
    if (isOfEnvironment) throw new PackageProblem('is a path, which the environment may not give', 'Give a type or the name of a package');
    if (!RELATIVE.test(type)) throw new PackageProblem('is no path', "Give one below the file's directory, such as './my-registry.js'");
    return { file: type };
  }
  if (!PACKAGE.test(type) || type.length > 214)
    throw new PackageProblem(
      'is neither a type nor the name of a package',
      `Give one such as ${[...kind.builtIn, ...kind.ours].join(', ')}, or the name of a package`,
    );
  return { package: /[/@]/.test(type) || type.includes(kind.word) ? type : `@ferrule/${type}` };
}

/**
 * Loads what makes parts of a type: from the directory of `relativeTo` for a path, for a package from where the application stands
 * (`from`), else from where this package does.
 * @throws PackageProblem naming the install command when it is missing, with the cause when it fails while it loads, and when it exports no factory
 */
export async function partFactory(
  type: string,
  kind: PartKind,
  place: { readonly from: string; readonly relativeTo: string; readonly isOfEnvironment: boolean },
): Promise<PartFactory> {
  const named = specifierOf(type, kind, place.isOfEnvironment);
  let url: string;
  if ('file' in named) {
    const path = resolve(dirname(place.relativeTo), named.file);
    if (!existsSync(path))
      throw new PackageProblem(`names no file: there is no ${path}`, 'Give the path of a module, seen from the file that names it');
    url = pathToFileURL(path).href;
  } else {
    const found = resolved(named.package, place.from) ?? resolved(named.package, import.meta.url);
    if (found === undefined) throw missing(type, named.package, kind, place.from);
    url = found;
  }
  const subject = 'file' in named ? 'it' : `the package ${named.package}`;
  let module: Readonly<Record<string, unknown>>;
  try {
    module = (await import(url)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new PackageProblem(
      `cannot be used: ${subject} failed while it was loaded: ${cause instanceof Error ? cause.message : shown(cause)}`,
      'See the cause',
      { cause },
    );
  }
  // Of a CommonJS module Node may see the default alone.
  const factory = module[kind.export] ?? (module['default'] as Readonly<Record<string, unknown>> | undefined)?.[kind.export];
  if (typeof factory !== 'function')
    throw new PackageProblem(`cannot be used: ${subject} exports no function ${kind.export}`, `Give a package that exports ${kind.export}(config)`);
  return factory as PartFactory;
}

function missing(type: string, name: string, { builtIn, ours }: PartKind, from: string): PackageProblem {
  const likely = nearest(type, [...builtIn, ...ours]).filter((one) => one !== type);
  return new PackageProblem(
    `needs the package ${name}, which is not installed where ${dirname(fileURLToPath(from))} would find it`,
    `Install it: npm install ${name}. Without a package there ${builtIn.length === 1 ? 'is' : 'are'} ${builtIn.join(', ')}`,
    { nearest: likely },
  );
}

/** The URL of a package's entry; undefined when it is not installed. @throws PackageProblem when it is and has no entry. */
function resolved(name: string, from: string): string | undefined {
  const require = createRequire(from);
  try {
    return pathToFileURL(require.resolve(name)).href;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const places = (require.resolve.paths(name) ?? []).map((place) => join(place, name));
    const folder = places.find((place) => existsSync(join(place, 'package.json')));
    if (folder === undefined) return undefined;
    // `require.resolve` does not look at what is only for `import`.
    const entry =
      code === 'ERR_PACKAGE_PATH_NOT_EXPORTED'
        ? importEntry(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { readonly exports?: unknown })
        : undefined;
    if (entry !== undefined) return pathToFileURL(join(folder, entry)).href;
    throw new PackageProblem(
      `cannot be used: the package ${name} in ${folder} has no entry that can be imported`,
      'Install it again, or another version',
      { cause: error },
    );
  }
}

/** What `exports` say for `import` of the package itself, the first condition that holds. */
function importEntry({ exports }: { readonly exports?: unknown }): string | undefined {
  const main = typeof exports === 'object' && exports !== null && '.' in exports ? exports['.'] : exports;
  const pick = (target: unknown): string | undefined => {
    if (typeof target === 'string') return target.startsWith('./') && !target.includes('..') ? target : undefined;
    if (Array.isArray(target)) return target.map(pick).find((one) => one !== undefined);
    if (typeof target !== 'object' || target === null) return undefined;
    for (const [condition, one] of Object.entries(target)) {
      if (!['node', 'import', 'module-sync', 'default'].includes(condition)) continue;
      const found = pick(one);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return pick(main);
}
