import { nearest } from '../options/nearest.js';
import { shown } from '../options/shown.js';
import { CODES, isCode } from './codes.js';
import { isParamName } from './params.js';
import { REASON, isOwnReason } from './reasons.js';

const MEMBERS: readonly string[] = ['code', 'number', 'title', 'detail', 'description', 'type', 'status', 'retryable', 'expose', 'details'];
const RESERVED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty']);
const LONGEST_TITLE = 128;
const LONGEST_TYPE = 256;

/** All that is wrong with the definitions of one catalogue: where, with which value, and what would be right. */
export function definitionProblems(definitions: object): string[] {
  const problems: string[] = [];
  const prototype: unknown = Object.getPrototypeOf(definitions);
  if (prototype !== Object.prototype && prototype !== null)
    problems.push('the definitions: they have a prototype of their own, as { __proto__: … } gives them. Give a plain object.');
  const numbers = new Map<number, string>();
  for (const [reason, definition] of Object.entries(definitions) as [string, unknown][]) {
    reasonProblem(reason, problems);
    if (typeof definition !== 'object' || definition === null) {
      problems.push(`${shown(reason)}: ${shown(definition)} is no definition. Give { code, title, … }.`);
      continue;
    }
    memberProblems(reason, definition as Readonly<Record<string, unknown>>, problems);
    const { number } = definition as { readonly number?: unknown };
    if (typeof number !== 'number') continue;
    const other = numbers.get(number);
    if (other !== undefined) problems.push(`${reason} number: ${number} is that of ${other} too. Give each its own.`);
    else numbers.set(number, reason);
  }
  return problems;
}

function reasonProblem(reason: string, problems: string[]): void {
  if (RESERVED.has(reason)) problems.push(`${shown(reason)}: every object has a property of this name. Give a word such as USER_NOT_FOUND.`);
  else if (!REASON.test(reason))
    problems.push(`${shown(reason)}: is no reason. Give capitals, digits and _, a capital first, at most 63, such as USER_NOT_FOUND.`);
  else if (isOwnReason(reason))
    problems.push(`${reason}: Ferrule gives this reason itself, and breakers go by it. Give another, such as ORDER_${reason}.`);
}

function memberProblems(reason: string, given: Readonly<Record<string, unknown>>, problems: string[]): void {
  const say = (member: string, remedy: string): number => problems.push(`${reason} ${member}: ${shown(given[member])} ${remedy}`);
  for (const name of Object.keys(given)) {
    if (MEMBERS.includes(name)) continue;
    const likely = nearest(name, MEMBERS);
    problems.push(
      `${reason}: there is no member ${shown(name)}.${likely.length === 0 ? '' : ` Did you mean ${likely.join(' or ')}?`} It takes ${MEMBERS.join(', ')}.`,
    );
  }
  const { code, number, title, detail, description, type, status, retryable, expose, details } = given;
  if (!isCode(code)) say('code', `is no canonical code. Give one of ${CODES.join(', ')}.`);
  if (number !== undefined && !(Number.isSafeInteger(number) && (number as number) > 0))
    say('number', 'is no business number. Give a whole number from 1, or leave it out.');
  if (typeof title !== 'string' || title.trim() === '') say('title', 'is no title. Give a short text that is the same for every occurrence.');
  else if (title.length > LONGEST_TITLE) say('title', `is longer than ${LONGEST_TITLE} characters. Put what is particular into detail.`);
  if (detail !== undefined && typeof detail !== 'string' && typeof detail !== 'function')
    say('detail', 'is neither text nor a function of the params. Give one, or leave it out.');
  if (description !== undefined && typeof description !== 'string') say('description', 'is no text. Give one, or leave it out.');
  if (type !== undefined && !isReference(type)) say('type', 'is no URI reference. Give one such as https://errors.example.com/user-not-found.');
  if (status !== undefined && !(Number.isInteger(status) && (status as number) >= 400 && (status as number) <= 599))
    say('status', 'is no error status. Give 400 to 599, or leave it to the code; a business number belongs into number.');
  for (const [name, value] of Object.entries({ retryable, expose }))
    if (value !== undefined && typeof value !== 'boolean') say(name, 'is neither true nor false. Give one of them.');
  if (details !== undefined && !(Array.isArray(details) && details.every((name) => typeof name === 'string' && isParamName(name))))
    say('details', "is no list of names of params. Give those that a client may see, such as ['id'].");
  else if (details !== undefined && (details as readonly unknown[]).length > 0 && typeof detail !== 'function')
    say('details', 'names params, and there are none: detail is no function of them. Make it one, such as ({ id }) => …, or leave details out.');
}

/** Whether it may stand in the `type` of a problem: printable, not longer than what leaves the process, and read by URL. */
function isReference(type: unknown): boolean {
  return (
    typeof type === 'string' && type.length <= LONGEST_TYPE && /^[!#-;=?-[\]_a-z~%]+$/i.test(type) && URL.canParse(type, 'https://base.invalid/')
  );
}
