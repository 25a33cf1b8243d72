/**
 * The same numbers in [0, 1) for the same seed, in place of `Math.random`: give it as `random` to whatever draws.
 * Splitmix on 32 bits (Steele, Lea and Flood 2014, with the finalizer of MurmurHash3): every seed, 0 included, gives a full period of 2^32.
 */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x85ebca6b);
    mixed ^= mixed >>> 13;
    mixed = Math.imul(mixed, 0xc2b2ae35);
    mixed ^= mixed >>> 16;
    return (mixed >>> 0) / 2 ** 32;
  };
}
