import { MalformedText } from './yaml-document.js';
import type { Document } from './yaml-document.js';

/** Reads JSON. @throws MalformedText */
export function jsonDocument(text: string): Document {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    // The message of JSON.parse repeats what stands around.
    const position = /position (\d+)/.exec((error as Error).message)?.[1];
    throw new MalformedText('it is no valid JSON', position === undefined ? undefined : lineAt(text, Number(position)));
  }
  return {
    content,
    lineOf(path) {
      const offset = offsetOf(text, path);
      return offset === undefined ? undefined : lineAt(text, offset);
    },
  };
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],]/g;

/** Where the key (or the item) of a path stands, or the nearest part of it that is there. */
function offsetOf(text: string, path: readonly string[]): number | undefined {
  let found: { readonly depth: number; readonly offset: number } | undefined;
  /** For each open object or list: the key, or the number of the item. */
  const places: (string | number | undefined)[] = [];
  const matches = (depth: number): boolean => places.length === depth && places.every((place, index) => String(place) === path[index]);
  const note = (offset: number): void => {
    if ((found?.depth ?? 0) < places.length && matches(places.length)) found = { depth: places.length, offset };
  };
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    const depth = places.length - 1;
    if (token === '{') places.push(undefined);
    else if (token === '[') {
      places.push(0);
      note(index);
    } else if (token === '}' || token === ']') places.pop();
    else if (token === ',') {
      const place = places[depth];
      places[depth] = typeof place === 'number' ? place + 1 : undefined;
      note(index);
    } else if (depth >= 0 && places[depth] === undefined) {
      places[depth] = JSON.parse(token) as string;
      note(index);
    }
  }
  return found?.offset;
}
