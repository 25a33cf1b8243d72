import type { EndpointReport } from './messages.js';
import { quantile } from './summary.js';

/** One line of the picture: what the gateway sees of an instance. */
export interface Line {
  readonly instance: string;
  readonly framework: string;
  readonly share: number;
  readonly waiting: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly success: number;
  readonly state: string;
}

const HEAD = ['instance', 'framework', 'share', 'waiting', 'p50 ms', 'p99 ms', 'success', 'state'];

/** The lines of a picture, from what the gateway reported last; the shares of a service add up to one. */
export function linesOf(reports: readonly EndpointReport[], frameworkOf: (instance: string) => string): readonly Line[] {
  const totals = new Map<string, number>();
  for (const report of reports) totals.set(report.service, (totals.get(report.service) ?? 0) + report.attempts);
  return [...reports]
    .sort((a, b) => a.instance.localeCompare(b.instance))
    .map((report) => ({
      instance: report.instance,
      framework: frameworkOf(report.instance),
      share: report.attempts / Math.max(1, totals.get(report.service)!),
      waiting: report.waiting,
      p50Ms: quantile(report.latenciesMs, 0.5),
      p99Ms: quantile(report.latenciesMs, 0.99),
      success: report.attempts === 0 ? Number.NaN : 1 - report.failures / report.attempts,
      state: report.state,
    }));
}

/** A screen that refreshes in place on a terminal, and prints events as plain lines elsewhere. */
export class Screen {
  readonly #out: NodeJS.WriteStream;
  readonly #started = performance.now();
  #height = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** A line in words that stays. */
  say(text: string): void {
    this.#erase();
    this.#out.write(`${this.#seconds()}  ${text}\n`);
  }

  /** The picture of now, in place of the last one. Nothing when the output is no terminal. */
  draw(title: string, lines: readonly Line[]): void {
    if (!this.#out.isTTY) return;
    const rows = [HEAD, ...lines.map(cells)];
    const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
    const text = [`${this.#seconds()}  ${title}`, ...rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`)];
    this.#erase();
    this.#out.write(`${text.join('\n')}\n`);
    this.#height = text.length;
  }

  #erase(): void {
    if (this.#height > 0) this.#out.write(`\u001b[${this.#height}A\u001b[J`);
    this.#height = 0;
  }

  #seconds(): string {
    return `${((performance.now() - this.#started) / 1_000).toFixed(1).padStart(5)}s`;
  }
}

function cells(line: Line): string[] {
  return [
    line.instance,
    line.framework,
    percent(line.share),
    String(line.waiting),
    ms(line.p50Ms),
    ms(line.p99Ms),
    percent(line.success),
    line.state,
  ];
}

function percent(ratio: number): string {
  return Number.isNaN(ratio) ? '-' : `${(100 * ratio).toFixed(1)} %`;
}

function ms(value: number): string {
  return Number.isNaN(value) ? '-' : value.toFixed(1);
}
