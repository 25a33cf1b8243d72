const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;

/** FNV-1a, 32 bits, over the UTF-8 bytes of a text; `state` goes on from an earlier one. As in Go's hash/fnv. */
export function fnv1a(text: string, state?: number): number {
  return fnvWord(text, state) >>> 0;
}

/** The same as a signed word: V8 has those without an object, and of the unsigned ones only the lower half. */
function fnvWord(text: string, state: number = OFFSET): number {
  let hash = state;
  for (let index = 0; index < text.length; index++) {
    let code = text.charCodeAt(index);
    if (code < 0x80) {
      hash = Math.imul(hash ^ code, PRIME);
      continue;
    }
    if (code >= 0xd800 && code < 0xe000) {
      const low = text.charCodeAt(index + 1);
      const pair = code < 0xdc00 && low >= 0xdc00 && low < 0xe000;
      code = pair ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : 0xfffd; // a lone half is what TextEncoder makes of it
      if (pair) index++;
    }
    if (code >= 0x10000) {
      hash = Math.imul(hash ^ (0xf0 | (code >> 18)), PRIME);
      hash = Math.imul(hash ^ (0x80 | ((code >> 12) & 0x3f)), PRIME);
    } else if (code >= 0x800) {
      hash = Math.imul(hash ^ (0xe0 | (code >> 12)), PRIME);
    } else {
      hash = Math.imul(hash ^ (0xc0 | (code >> 6)), PRIME);
    }
    if (code >= 0x800) hash = Math.imul(hash ^ (0x80 | ((code >> 6) & 0x3f)), PRIME);
    hash = Math.imul(hash ^ (0x80 | (code & 0x3f)), PRIME);
  }
  return hash | 0;
}

/** MurmurHash3's last steps: a number of 32 bits whose every bit depends on every bit of the one given. One to one. */
export function mixed(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * 32 bits that are always the same for a text and a seed, evenly spread: FNV-1a alone leaves texts that differ at their end, as `user-1` and
 * `user-2` do, close to each other, so it is mixed once more.
 */
export function hashOf(text: string, seed?: number): number {
  return mixed(fnvWord(text, seed));
}

/** The same as a place from 0 to below 1. */
export function placeOf(text: string, seed: number): number {
  return hashOf(text, seed) / 2 ** 32;
}
