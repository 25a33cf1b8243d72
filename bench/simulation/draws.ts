/** Draws one number, in milliseconds where it is a time. */
export type Draw = (random: () => number) => number;

export function exponential(mean: number): Draw {
  return (random) => -Math.log(1 - random()) * mean;
}

/** Normal, with what is below 0 drawn as 0 (Box and Muller, 1958). */
export function normal(mean: number, deviation: number): Draw {
  return (random) => Math.max(0, mean + deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
}

/** `mean` on the whole, of which a `share` takes `times` as long as the rest. */
export function bimodal(mean: number, share: number, times: number): Draw {
  const short = mean / (1 + share * (times - 1));
  return (random) => short * (random() < share ? times : 1);
}
