import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import { isTree } from './kind.js';
import type { Tree } from './kind.js';
import { jsonDocument } from './json-document.js';
import { yamlDocument } from './yaml-document.js';
import type { Document } from './yaml-document.js';

/** A larger one is not meant, or not meant well. */
const MOST_BYTES = 1_048_576;

export interface ConfigFile {
  readonly tree: Tree;
  readonly lineOf: Document['lineOf'];
}

/**
 * Reads a JSON or YAML file, which its ending tells.
 * @throws Error whose message says what is wrong, after the file's name; MalformedText with the line
 */
export async function readConfigFile(path: string, from: string): Promise<ConfigFile> {
  const kind = extname(path).toLowerCase();
  if (!['.json', '.yaml', '.yml'].includes(kind)) throw new Error('its name ends neither with .json nor with .yaml or .yml, which say what it holds');
  const text = (await readBounded(path)).replace(/^\uFEFF/, '');
  const { content, lineOf } = kind === '.json' ? jsonDocument(text) : await yamlDocument(text, from);
  if (content === null || content === undefined) return { tree: {}, lineOf };
  if (!isTree(content)) throw new Error(`it holds ${Array.isArray(content) ? 'a list' : 'a single value'}, and no object`);
  return { tree: content, lineOf };
}

async function readBounded(path: string): Promise<string> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new Error(error.code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${error.code})`);
  });
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new Error('it is no file');
    const buffer = Buffer.alloc(Math.min(stats.size, MOST_BYTES) + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length);
      length += bytesRead;
      if (bytesRead === 0 || length === buffer.length) break;
    }
    if (length > MOST_BYTES || length === buffer.length) throw new Error(`it has more than ${MOST_BYTES} bytes`);
    return new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, length));
  } catch (error) {
    if (error instanceof TypeError) throw new Error('it is no text in UTF-8');
    throw error;
  } finally {
    await file.close();
  }
}
