/** A piece of code in a Markdown file that a comment before it marks: `<!-- example: name [run] [skip] [after=name] [with=name] [expect="text"] -->`. */
export interface Block {
  readonly file: string;
  /** Of the fence, from 1. */
  readonly line: number;
  readonly name: string;
  readonly language: 'ts' | 'js';
  /** `check`: it compiles; `run`: it also ends with 0; `skip`: it shows an idea and is no program. */
  readonly mode: 'check' | 'run' | 'skip';
  /** What it prints; then it gets SIGTERM, so that a server may be shown. */
  readonly expect: string | undefined;
  /** The block that it continues: that one's code stands before its own. */
  readonly after: string | undefined;
  /** What runs in a process of its own meanwhile, from the moment that it printed what it is expected to. */
  readonly with: string | undefined;
  readonly code: string;
}

interface Fence {
  readonly line: number;
  readonly language: 'ts' | 'js' | undefined;
  readonly code: string;
  /** The comment on the last line before that is not blank. */
  readonly mark: { readonly line: number; readonly text: string } | undefined;
}

const MARK = /^\s*<!--\s*example:\s*(.*?)\s*-->\s*$/;
const LANGUAGES: Readonly<Record<string, 'ts' | 'js'>> = { ts: 'ts', typescript: 'ts', js: 'js', javascript: 'js' };

/** @throws Error naming file and line when a mark is malformed. */
export function markedBlocks(file: string, markdown: string): readonly Block[] {
  const blocks: Block[] = [];
  for (const { line, language, code, mark } of fences(markdown)) {
    if (mark === undefined || language === undefined) continue;
    const fail = (what: string): never => {
      throw new Error(`${file}:${mark.line}: ${what}`);
    };
    const [name, ...words] = mark.text.match(/[\w-]+="[^"]*"|\S+/g) ?? [];
    if (name === undefined || !/^[\w-]+$/.test(name)) return fail(`${mark.text} has no name`);
    if (blocks.some((other) => other.name === name)) return fail(`there is an example ${name} twice`);
    const block = {
      file,
      line,
      name,
      language,
      mode: 'check' as Block['mode'],
      expect: undefined as string | undefined,
      after: undefined as string | undefined,
      with: undefined as string | undefined,
      code,
    };
    for (const word of words) {
      const [, key, value] = /^(\w+)=(?:"([^"]*)"|\S+)$/.exec(word) ?? [];
      if (word === 'run' || word === 'skip') block.mode = word;
      else if (key === 'expect') block.expect = value ?? word.slice(7);
      else if (key === 'after') block.after = value ?? word.slice(6);
      else if (key === 'with') block.with = value ?? word.slice(5);
      else return fail(`${word} is none of run, skip, after=name, with=name, expect="text"`);
    }
    for (const key of ['after', 'with'] as const) {
      if (block[key] !== undefined && !blocks.some((other) => other.name === block[key]))
        return fail(`${key}=${block[key]} names no example before it`);
    }
    blocks.push(block);
  }
  return blocks;
}

/** Code that no comment marks, and comments that mark none, each in a sentence. */
export function unmarkedBlocks(file: string, markdown: string): readonly string[] {
  const problems: { line: number; text: string }[] = [];
  const used = new Set<number>();
  for (const { line, language, mark } of fences(markdown)) {
    if (mark !== undefined) used.add(mark.line);
    if (language !== undefined && mark === undefined) problems.push({ line, text: 'is code without a mark' });
  }
  for (const [index, text] of markdown.split('\n').entries()) {
    if (MARK.test(text) && !used.has(index + 1)) problems.push({ line: index + 1, text: 'marks no code' });
  }
  return problems.sort((a, b) => a.line - b.line).map(({ line, text }) => `${file}:${line} ${text}`);
}

function fences(markdown: string): readonly Fence[] {
  const lines = markdown.split('\n');
  const found: Fence[] = [];
  for (let index = 0; index < lines.length; index++) {
    const open = /^(`{3,}|~{3,})\s*([\w-]*)/.exec(lines[index]!);
    if (open === null) continue;
    let end = index + 1;
    while (end < lines.length && !lines[end]!.startsWith(open[1]!)) end++;
    let before = index - 1;
    while (before >= 0 && lines[before]!.trim() === '') before--;
    const mark = before < 0 ? null : MARK.exec(lines[before]!);
    found.push({
      line: index + 1,
      language: LANGUAGES[open[2]!],
      code: `${lines.slice(index + 1, end).join('\n')}\n`,
      mark: mark === null ? undefined : { line: before + 1, text: mark[1]! },
    });
    index = end;
  }
  return found;
}
