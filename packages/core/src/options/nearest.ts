const MOST = 2;

/** The known names that a wrong one was probably meant to be, the likeliest first; none when nothing is near. */
export function nearest(name: string, known: readonly string[]): readonly string[] {
  const wrong = name.toLowerCase().slice(0, 50);
  const farthest = Math.max(1, Math.floor(wrong.length / 3));
  return known
    .map((candidate) => ({ candidate, distance: distance(wrong, candidate.toLowerCase()) }))
    .filter((one) => one.distance <= farthest)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, MOST)
    .map(({ candidate }) => candidate);
}

/** How many letters to add, drop, replace or swap with their neighbour (optimal string alignment). */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let least = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) least = Math.min(least, beforeLast[column - 2]! + 1);
      current.push(least);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length]!;
}
