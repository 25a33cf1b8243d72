/** Longer texts fit no pattern with a star: nothing that rules are written for is longer. */
const LONGEST_TEXT = 8_192;
const LONGEST_PATTERN = 256;
/** Stands for any number of characters, and for one. */
const ANY = -1;
const ONE = -2;

/**
 * A pattern for whole texts: `*` stands for any number of characters, `?` for one, a backslash takes the next character as it is.
 * It needs at most length × pattern steps, 2 million for the longest of both, whatever they hold: a regular expression can be made to need for ever,
 * which is why none is taken from configuration. undefined when the pattern is longer than 256 characters or ends with a lone backslash.
 */
export function glob(pattern: string): ((text: string) => boolean) | undefined {
  if (pattern.length > LONGEST_PATTERN) return undefined;
  const parts: number[] = [];
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern[index]!;
    if (character === '\\') {
      if (++index === pattern.length) return undefined;
      parts.push(pattern.charCodeAt(index));
    } else if (character === '*') {
      if (parts.at(-1) !== ANY) parts.push(ANY);
    } else {
      parts.push(character === '?' ? ONE : pattern.charCodeAt(index));
    }
  }
  return (text) => text.length <= LONGEST_TEXT && fits(text, parts);
}

/** Greedy, and back to the last star only: what an earlier one takes more can always be taken by the last one too. */
function fits(text: string, parts: readonly number[]): boolean {
  let at = 0;
  let part = 0;
  let star = -1;
  let from = 0;
  while (at < text.length) {
    const wanted = parts[part];
    if (wanted === ANY) {
      star = part++;
      from = at;
    } else if (wanted !== undefined && (wanted === ONE || wanted === text.charCodeAt(at))) {
      part++;
      at++;
    } else if (star >= 0) {
      part = star + 1;
      at = ++from;
    } else {
      return false;
    }
  }
  while (parts[part] === ANY) part++;
  return part === parts.length;
}
