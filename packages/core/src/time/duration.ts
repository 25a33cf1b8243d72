import { shown } from '../options/shown.js';

/** A span of time: milliseconds as a number, or text with units such as `'500ms'`, `'1m30s'` or ISO `'PT1M30S'`. */
export type Duration = number | string;

const UNIT_MS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const TEXT = /^(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h|d))+$/;
const PART = /(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)/g;
const ISO = /^PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?$/;
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Milliseconds of a duration. `option` names it in the message.
 * @throws TypeError when it is negative, not finite, longer than 2^31-1 ms, or text without a unit.
 */
export function toMs(duration: Duration, option: string): number {
  const ms = typeof duration === 'number' ? duration : textToMs(duration);
  if (ms === undefined || !Number.isFinite(ms) || ms < 0 || ms > LONGEST_MS) {
    throw new TypeError(
      `${option}: ${shown(duration)} is no duration. Give milliseconds from 0 to ${LONGEST_MS} as a number, or text with a unit such as '500ms', '2s' or '1m30s'.`,
    );
  }
  return ms;
}

function textToMs(text: unknown): number | undefined {
  if (typeof text !== 'string') return undefined;
  if (TEXT.test(text)) {
    let ms = 0;
    for (const [, amount, unit] of text.matchAll(PART)) ms += Number(amount) * UNIT_MS[unit!]!;
    return ms;
  }
  const iso = ISO.exec(text);
  if (iso === null || text === 'PT') return undefined;
  return Number(iso[1] ?? 0) * 3_600_000 + Number(iso[2] ?? 0) * 60_000 + Number(iso[3] ?? 0) * 1_000;
}
