import { leastLatency, plainEwma } from './controls/ewma.js';
import { kratos } from './controls/kratos.js';
import { prequal } from './controls/prequal.js';
import { simulate } from './fleet.js';
import type { Experiment } from './fleet.js';
import { defaultRule, leastPendingRule, leastRequestsRule, peakEwmaRule, randomRule, roundRobinRule } from './rule.js';
import type { Rule } from './rule.js';
import { MIXED_SPEEDS } from './scenarios/slow.js';
import { hundred } from './scenarios/scale.js';

interface Group {
  readonly name: string;
  readonly of: (rule: Rule) => Experiment;
}

const base = { clients: 20, seed: 1 } as const;
const GROUPS: readonly Group[] = [
  { name: 'equal, 90 %', of: (rule) => ({ ...base, rule, load: 0.9 }) },
  { name: 'one 10 × slower', of: (rule) => ({ ...base, rule, events: ({ servers }) => void (servers[0]!.speed = 0.1) }) },
  {
    name: 'three speeds',
    of: (rule) => ({ ...base, rule, events: ({ servers }) => servers.forEach((server, index) => (server.speed = MIXED_SPEEDS[index]!)) }),
  },
  {
    name: '1 s pauses',
    of: (rule) => ({
      ...base,
      rule,
      events: (fleet) => {
        for (let second = 10; second < 50; second += 10) fleet.at(second, () => fleet.servers[0]!.pause(1_000));
      },
    }),
  },
  { name: 'antagonists', of: (rule) => hundred(rule, 1, 0.6) },
];

interface Series {
  readonly name: string;
  readonly rule: Rule;
  readonly colour: string;
}

/** Colours of Okabe and Ito, which people of all kinds of sight can tell apart, on light and on dark ground. */
const SERIES: readonly Series[] = [
  { name: 'default p2c()', rule: defaultRule, colour: '#0072b2' },
  { name: 'peak EWMA (Finagle)', rule: peakEwmaRule, colour: '#56b4e9' },
  { name: 'Kratos p2c', rule: kratos, colour: '#009e73' },
  { name: 'Prequal, with probes', rule: prequal, colour: '#e69f00' },
  { name: 'p2c least pending', rule: leastPendingRule, colour: '#cc79a7' },
  { name: 'least requests', rule: leastRequestsRule, colour: '#9a7b4f' },
  { name: 'random', rule: randomRule, colour: '#8c8c8c' },
  { name: 'round robin', rule: roundRobinRule, colour: '#d55e00' },
  { name: 'plain EWMA', rule: plainEwma, colour: '#7a5cc0' },
  { name: 'least latency', rule: leastLatency, colour: '#b8a800' },
];
const SUBSET = 'default p2c(), subset of 12';

export interface Point {
  readonly group: string;
  readonly series: string;
  readonly colour: string;
  readonly p99: number;
}

/** p99 of each scenario of the plot under each rule. */
export function measurePoints(): readonly Point[] {
  const points: Point[] = [];
  for (const { name: group, of } of GROUPS) {
    for (const { name, rule, colour } of SERIES) points.push({ group, series: name, colour, p99: simulate(of(rule)).percentile(0.99) });
  }
  points.push({ group: 'antagonists', series: SUBSET, colour: '#0072b2', p99: simulate(hundred(defaultRule, 1, 0.6, 12)).percentile(0.99) });
  return points;
}

const WIDTH = 900;
const ROW = 16;
const LEFT = 190;
const RIGHT = 70;
const LOW_MS = 20;
const HIGH_MS = 6_000;

/** Horizontal bars on a logarithmic scale, grouped by scenario, the least first. Readable in light and dark by a media query. */
export function svgOf(points: readonly Point[]): string {
  const groups = [...new Set(points.map(({ group }) => group))];
  const x = (ms: number): number => LEFT + ((WIDTH - LEFT - RIGHT) * Math.log(Math.max(ms, LOW_MS) / LOW_MS)) / Math.log(HIGH_MS / LOW_MS);
  const parts: string[] = [];
  let y = 44;
  for (const group of groups) {
    const bars = points.filter((point) => point.group === group).sort((a, b) => a.p99 - b.p99);
    parts.push(`<text class="group" x="12" y="${y + 12}">${escaped(group)}</text>`);
    y += 20;
    for (const { series, colour, p99 } of bars) {
      const end = x(Math.min(p99, HIGH_MS));
      const own = series.startsWith('default');
      parts.push(
        `<text class="${own ? 'own' : 'name'}" x="${LEFT - 8}" y="${y + 11.5}" text-anchor="end">${escaped(series)}</text>`,
        `<rect x="${LEFT}" y="${y + 2}" width="${Math.max(1, end - LEFT).toFixed(1)}" height="${ROW - 4}" rx="2" fill="${colour}"/>`,
        `<text class="value" x="${(end + 5).toFixed(1)}" y="${y + 11.5}">${p99 >= 5_000 ? 'timeout' : `${p99.toFixed(0)} ms`}</text>`,
      );
      y += ROW;
    }
    y += 10;
  }
  const height = y + 24;
  const ticks = [20, 50, 100, 200, 500, 1_000, 2_000, 5_000].map(
    (ms) =>
      `<line class="tick" x1="${x(ms).toFixed(1)}" x2="${x(ms).toFixed(1)}" y1="40" y2="${height - 26}"/><text class="value" x="${x(ms).toFixed(1)}" y="${height - 10}" text-anchor="middle">${ms}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title" font-family="system-ui, sans-serif" font-size="11">
<title id="title">p99 latency in milliseconds by scenario and balancing rule, simulated, logarithmic scale</title>
<style>
.ground { fill: #ffffff } text { fill: #24292f } .group { font-weight: 700; font-size: 13px } .own { font-weight: 700 } .value { fill: #57606a } .tick { stroke: #d0d7de }
@media (prefers-color-scheme: dark) { .ground { fill: #0d1117 } text { fill: #e6edf3 } .value { fill: #9198a1 } .tick { stroke: #30363d } }
</style>
<rect class="ground" width="100%" height="100%"/>
<text class="group" x="12" y="22">p99 in ms, simulated, logarithmic. 20 clients of 10 servers at 70 % unless said; antagonists: 100 of 100</text>
${ticks.join('\n')}
${parts.join('\n')}
</svg>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign]!);
}
