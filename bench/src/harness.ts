import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';

/** One line of a bench: what was compared, and the bar if there is one. */
export interface Row {
  readonly id: string;
  readonly unit: string;
  /** What is compared with the limit; the median of the rounds. */
  readonly value: number;
  readonly op?: '<=' | '>=';
  /** Absent on a row that only informs. */
  readonly limit?: number;
  /** Everything that was measured, so that others can work it out again. */
  readonly samples: { readonly ours: readonly number[]; readonly peer: readonly number[] };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value at quantile `q` (0 to 1), the lower of two when it falls between; NaN for none. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))]!;
}

/** A row that compares ours with a peer round by round: `value` is the median of the ratios, so that a drift of the machine cancels out. */
export function ratioRow(id: string, ours: readonly number[], peer: readonly number[], limit?: number): Row {
  const ratios = ours.map((value, round) => value / peer[round]!);
  return { id, unit: '× peer', value: median(ratios), ...(limit === undefined ? {} : { op: '<=' as const, limit }), samples: { ours, peer } };
}

/** Prints the table, writes `--json FILE`, and sets the exit code to 1 when a bar is missed. */
export function report(bench: string, rows: readonly Row[]): void {
  const { values } = parseArgs({ options: { json: { type: 'string' } }, strict: false });
  const cells = rows.map((row) => [
    row.id,
    format(row.value),
    row.unit,
    row.limit === undefined ? '' : `${row.op} ${row.limit}`,
    row.limit === undefined ? '' : holds(row) ? 'holds' : 'MISSED',
    describe(row.samples.ours),
    describe(row.samples.peer),
  ]);
  const table = [['row', 'value', 'unit', 'bar', '', 'ours', 'peer'], ...cells];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((line) => line[column]!.length)));
  for (const line of table)
    process.stdout.write(
      `${line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd()}\n`,
    );
  if (typeof values['json'] === 'string') {
    writeFileSync(values['json'], `${JSON.stringify({ bench, node: process.version, cores: availableParallelism(), rows }, null, 2)}\n`);
  }
  if (rows.some((row) => !holds(row))) process.exitCode = 1;
}

function holds(row: Row): boolean {
  if (row.limit === undefined) return true;
  return row.op === '>=' ? row.value >= row.limit : row.value <= row.limit;
}

function describe(samples: readonly number[]): string {
  return samples.length === 0
    ? ''
    : `${format(median(samples))} (${format(Math.min(...samples))} to ${format(Math.max(...samples))}, n ${samples.length})`;
}

function format(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(3);
}
