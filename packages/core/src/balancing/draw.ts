import { randomInt } from 'node:crypto';

/** A whole number from 0 to below `size` (1 to 2³¹), all equally likely. */
export type Draw = (size: number) => number;

/**
 * Draws from `random`; from a generator of its own without one, or with `Math.random` itself: each number that `Math.random` gives to code that is not
 * inlined is an object of 16 bytes, while whole numbers cost none.
 */
export function drawOf(random?: () => number): Draw {
  if (random === undefined || random === Math.random) return drawBelow;
  return (size) => Math.floor(random() * size);
}

/** One for the process, as `Math.random` is: xorshift32* (Marsaglia, 2003; multiplied as by Vigna, 2016), begun anywhere. Small, so that it is inlined; not for secrets. */
let state = randomInt(1, 2 ** 32) | 0;

function drawBelow(size: number): number {
  let word = state;
  word ^= word << 13;
  word ^= word >>> 17;
  state = word ^= word << 5;
  // The upper bits decide: of all 2³² values, shares differ by less than size ÷ 2³².
  return ((Math.imul(word, 0x9e3779bb) >>> 0) * (size * 2 ** -32)) | 0;
}
