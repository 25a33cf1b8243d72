import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { REDACTED } from '../logging/redact.js';
import { checkOptions, checkRecord, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { NamedValues } from '../call/call-field.js';
import { ConfigError } from './config-error.js';
import { readConfigFile } from './config-file.js';
import type { Configuration } from './configuration.js';
import { overridden } from './environment.js';
import { Findings, isSecretPath } from './findings.js';
import type { Origin, Path } from './findings.js';
import { interpolate } from './interpolate.js';
import type { Environment } from './interpolate.js';
import { isTree } from './kind.js';
import type { Tree } from './kind.js';
import { merge, valueAt } from './merge.js';
import { configuration } from './schema.js';
import { settingsOf, tryOut } from './settings.js';
import type { Settings } from './settings.js';
import { MalformedText } from './yaml-document.js';

/** The path of a JSON or YAML file, or what would stand in one. */
export type ConfigSource = string | URL | Configuration;

export interface LoadOptions {
  /** Where variables are looked up. Default `process.env`. */
  readonly env?: Environment;
  /** What the variables begin with that override; false: none does. `${NAME}` in files is taken in all the same. Default `FERRULE_`. */
  readonly prefix?: string | false;
  /** Where packages are looked for: `import.meta.url` of the application, or a directory. Default the working directory. */
  readonly from?: string | URL;
  /** What `{ callValue: name }` in rules means. */
  readonly values?: NamedValues;
}

/** A configuration that was read and checked; nothing is open. What it shows of itself has no secrets in it. */
export interface Config {
  /** The files that it was read from, as they were given. */
  readonly files: readonly string[];
  /** What it says, in our form and with what the environment says. It holds the secrets, so it is no property that an `inspect` shows. */
  readonly values: Settings;
}

const OPTIONS = namesOf<LoadOptions>({ env: true, prefix: true, from: true, values: true });

interface Layer {
  readonly file?: { readonly name: string; readonly path: string; readonly lineOf: (path: Path) => number | undefined };
  readonly tree: Tree;
}

/** What `fromConfig` needs beside the values. */
interface Behind {
  readonly findings: Findings;
  /** A file URL; packages are looked for from there. */
  readonly from: string;
  readonly values: NamedValues | undefined;
}

const BEHIND = new WeakMap<Config, Behind>();

/** @throws TypeError for what `loadConfig` has not made */
export function behind(config: Config): Behind {
  const found = BEHIND.get(config);
  if (found === undefined) throw new TypeError(`fromConfig: ${shown(config)} was not made by loadConfig().`);
  return found;
}

export function isLoaded(config: unknown): config is Config {
  return typeof config === 'object' && config !== null && BEHIND.has(config as Config);
}

/** As `loadConfig` of on-demand.ts, which tells its contract. */
export async function loadConfig(source: ConfigSource | readonly ConfigSource[], options: LoadOptions = {}): Promise<Config> {
  checkOptions('loadConfig', options, OPTIONS);
  checkRecord(options.env, 'loadConfig env');
  checkRecord(options.values, 'loadConfig values');
  const { env = process.env, prefix = 'FERRULE_', values } = options;
  if (prefix !== false && (typeof prefix !== 'string' || prefix === ''))
    throw new TypeError(`loadConfig prefix: ${shown(prefix)} is no text. Give one such as 'FERRULE_', or false for no overrides.`);
  const from = placeOf(options.from);
  const sources = Array.isArray(source) ? (source as readonly ConfigSource[]) : [source as ConfigSource];

  let originOf: (path: Path) => Origin | undefined = () => undefined;
  const findings = new Findings((path) => originOf(path));
  const layers: Layer[] = [];
  for (const one of sources) {
    const layer = await layerOf(one, from, findings);
    if (layer === undefined) continue;
    originOf = (path) => originIn(layer, path);
    layers.push({ ...layer, tree: interpolate(layer.tree, layer.file && env, [], findings) as Tree });
  }
  originOf = () => undefined;

  const merged = layers.reduce<Tree>((below, { tree }) => merge(below, tree), {});
  const { tree, variables } =
    prefix === false ? { tree: merged, variables: new Map<string, string>() } : overridden(merged, configuration, env, prefix, findings);
  originOf = (path) => {
    for (let length = path.length; length > 0; length--) {
      const start = path.slice(0, length);
      const variable = variables.get(start.join('\n'));
      if (variable !== undefined) return { label: variable };
      const layer = layers.findLast((one) => valueAt(one.tree, start) !== undefined);
      if (layer !== undefined) return originIn(layer, start);
    }
    return undefined;
  };
  findings.given = (path) => valueAt(tree, path);

  const given = configuration.read(tree, [], findings) as Configuration;
  const settings = settingsOf(given, findings);
  tryOut(settings, values === undefined ? {} : { values }, findings);
  if (findings.problems.length > 0) throw new ConfigError(findings.problems);

  const config = new LoadedConfig(
    layers.flatMap(({ file }) => (file === undefined ? [] : [file.name])),
    settings,
    findings,
  );
  BEHIND.set(config, { findings, from, values });
  return config;
}

class LoadedConfig implements Config {
  readonly files: readonly string[];
  readonly #settings: Settings;
  readonly #findings: Findings;

  constructor(files: readonly string[], settings: Settings, findings: Findings) {
    this.files = files;
    this.#settings = settings;
    this.#findings = findings;
  }

  get values(): Settings {
    return this.#settings;
  }

  toJSON(): object {
    return masked(this.#settings, [], this.#findings) as object;
  }

  [inspect.custom](): object {
    return { files: this.files, values: this.toJSON() };
  }
}

function masked(value: unknown, path: Path, findings: Findings): unknown {
  if (isTree(value)) return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, masked(one, [...path, name], findings)]));
  if (Array.isArray(value)) return value.map((one, index) => masked(one, [...path, String(index)], findings));
  if (isSecretPath(path)) return REDACTED;
  return typeof value === 'string' ? findings.scrub(value) : value;
}

async function layerOf(source: unknown, from: string, findings: Findings): Promise<Layer | undefined> {
  if (isTree(source)) return { tree: source };
  if (typeof source !== 'string' && !(source instanceof URL))
    throw new TypeError(`loadConfig: ${shown(source)} is no configuration. Give the path of a file, or an object such as { registry: 'file' }.`);
  if (source instanceof URL && source.protocol !== 'file:')
    throw new TypeError(`loadConfig: a configuration is not read from ${source.protocol}. Give the path of a file.`);
  const path = source instanceof URL ? fileURLToPath(source) : resolve(source);
  const name = typeof source === 'string' ? source : relative(process.cwd(), path);
  try {
    const { tree, lineOf } = await readConfigFile(path, from);
    return { tree, file: { name, path, lineOf } };
  } catch (error) {
    const line = error instanceof MalformedText && error.line !== undefined ? `:${error.line}` : '';
    findings.add([], { what: (error as Error).message, expected: '', origin: `${name}${line}` });
    return undefined;
  }
}

function originIn({ file }: Layer, path: Path): Origin | undefined {
  if (file === undefined) return {};
  const line = file.lineOf(path);
  return { label: line === undefined ? file.name : `${file.name}:${line}`, file: file.path };
}

/** As a file URL, from which Node looks for packages. */
function placeOf(from: string | URL | undefined): string {
  if (from instanceof URL || (typeof from === 'string' && from.startsWith('file:'))) return String(from);
  if (from !== undefined && (typeof from !== 'string' || from === ''))
    throw new TypeError(`loadConfig from: ${shown(from)} is no place. Give import.meta.url, or the path of a directory.`);
  return pathToFileURL(join(from === undefined ? process.cwd() : resolve(from), 'application.js')).href;
}

/** The file that says what stands at the path, or where the application stands. */
export function fileBehind(findings: Findings, path: Path, from: string): string {
  return findings.originOf(path)?.file ?? join(dirname(fileURLToPath(from)), 'application.js');
}
