import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { Path } from './findings.js';

/** A file that was read. */
export interface Document {
  /** Plain JSON-like data, or anything else that its format can say. */
  readonly content: unknown;
  /** The line of a path, or of the nearest part of it that is there, from 1. */
  lineOf(path: Path): number | undefined;
}

/** What is wrong in the text of a file. Never repeats the text, which may hold secrets. */
export class MalformedText extends Error {
  readonly line: number | undefined;

  constructor(message: string, line: number | undefined) {
    super(message);
    this.line = line;
  }
}

/** What we use of the package `yaml`, so that our declarations do not need it. */
interface Yaml {
  parseDocument(text: string, options: object): YamlDocument;
  LineCounter: new () => { linePos(offset: number): { line: number } };
}

interface YamlDocument {
  readonly errors: readonly YamlProblem[];
  readonly warnings: readonly YamlProblem[];
  readonly contents: YamlNode | null;
  toJS(options: object): unknown;
}

interface YamlProblem {
  readonly code: string;
  readonly pos: readonly [number, number];
}

interface YamlNode {
  readonly range?: readonly number[] | null;
  readonly value?: unknown;
  readonly items?: readonly (YamlNode & { readonly key?: YamlNode | null; readonly value?: YamlNode | null })[];
}

/** Aliases that stand for aliases grow exponentially. */
const MOST_ALIASES = 100;

const WORDS: Readonly<Record<string, string>> = {
  BAD_INDENT: 'the indentation does not fit',
  BLOCK_AS_IMPLICIT_KEY: 'a block stands where a key belongs; perhaps a text with a colon needs quotes',
  DUPLICATE_KEY: 'a key stands there twice',
  MISSING_CHAR: 'a character is missing, such as a quote, a comma or a bracket',
  MULTIPLE_DOCS: 'it holds several documents; give one',
  NON_STRING_KEY: 'a key is no text; put it in quotes',
  TAB_AS_INDENT: 'it is indented with a tab; use spaces',
  TAG_RESOLVE_FAILED: 'a tag is unknown; leave out what begins with an exclamation mark',
};

/**
 * Reads YAML 1.2 (so that `no` and `on` are texts), with the package `yaml`, which is loaded now.
 * @throws MalformedText; Error naming the install command when the package is missing
 */
export async function yamlDocument(text: string, from: string): Promise<Document> {
  const yaml = await loadYaml(from);
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, {
    version: '1.2',
    schema: 'core',
    strict: true,
    uniqueKeys: true,
    stringKeys: true,
    prettyErrors: false,
    logLevel: 'error', // silent ones keep quiet about several documents
    lineCounter: lines,
  });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    throw new MalformedText(`it is no valid YAML: ${WORDS[problem.code] ?? problem.code}`, lines.linePos(problem.pos[0]).line);
  }
  let content: unknown;
  try {
    content = document.toJS({ maxAliasCount: MOST_ALIASES });
  } catch (error) {
    if ((error as Error).message.startsWith('Unresolved alias'))
      throw new MalformedText('it is no valid YAML: an alias has no anchor before it', undefined);
    throw new MalformedText(`its aliases stand for too much, more than ${MOST_ALIASES} times themselves; write it out`, undefined);
  }
  return {
    content,
    lineOf(path) {
      let node: YamlNode | null | undefined = document.contents;
      let offset: number | undefined;
      for (const name of path) {
        const index: number = node?.items?.findIndex((item, at) => (item.key === undefined ? String(at) : String(item.key?.value)) === name) ?? -1;
        if (index < 0) break;
        const item: NonNullable<YamlNode['items']>[number] = node!.items![index]!;
        offset = (item.key ?? item).range?.[0] ?? offset;
        node = item.key === undefined ? item : item.value;
      }
      return offset === undefined ? undefined : lines.linePos(offset).line;
    },
  };
}

/** The application's copy, else the one that this package finds. */
async function loadYaml(from: string): Promise<Yaml> {
  for (const place of [from, import.meta.url]) {
    let path: string;
    try {
      path = createRequire(place).resolve('yaml');
    } catch {
      continue;
    }
    return (await import(pathToFileURL(path).href)) as Yaml;
  }
  throw new Error('YAML is read with the package yaml, which is not installed. Install it: npm install yaml');
}
