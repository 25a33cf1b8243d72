import { createHash } from 'node:crypto';

/** What is looked at of a message. */
export const LONGEST_MESSAGE = 1_024;
const LONGEST_TEMPLATE = 256;

/**
 * The values in a message, the particular before the general: quoted texts, UUIDs, hexadecimal ids, numbers. A quote counts where a word does not
 * touch it from inside (`can't` has none) and closes within 256 characters. Every repetition is bounded or of one class, so that it is linear.
 */
const VALUES =
  /(?<!\w)(["'`])[^"'`\n]{0,256}?\1(?!\w)|\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b0x[0-9a-f]{1,64}\b|\b(?=[a-f]{0,64}\d)[0-9a-f]{8,128}\b|\d{1,400}(?:\.\d{1,400})?/gi;

/**
 * The message without its values, so that errors of one kind are one: `user 42 of "acme" not found` and `user 7 of "b" not found` are both
 * `user <n> of <text> not found`. Of the message the first 1 KB is looked at; at most 256 characters come out.
 */
export function messageTemplate(message: string): string {
  const template = message.slice(0, LONGEST_MESSAGE).replace(VALUES, (value: string, quote: string | undefined) => {
    if (quote !== undefined) return '<text>';
    if (value.length === 36 && value[8] === '-') return '<uuid>';
    return /^[\d.]+$/.test(value) ? '<n>' : '<hex>';
  });
  return template.replace(/\s+/g, ' ').slice(0, LONGEST_TEMPLATE);
}

/** 16 hexadecimal digits that stand for a kind of error, the same in every process. */
export function fingerprintOf(code: string, template: string): string {
  return createHash('sha256').update(code).update('\0').update(template).digest('hex').slice(0, 16);
}
