/** By what JavaScript calls a value's kind: what to give in its place. */
const INSTEAD: Readonly<Record<string, string>> = {
  Map: 'Object.fromEntries(map)',
  Set: 'an array, [...set]',
  Blob: 'its bytes, await blob.arrayBuffer(), or its stream, blob.stream()',
  File: 'its bytes, await file.arrayBuffer(), or its stream, file.stream()',
  FormData: 'text fields as new URLSearchParams(); a form with files can be sent with serviceFetch()',
  Response: 'what it holds, such as await response.json(), or its stream, response.body',
  Request: 'what it holds, such as await request.json(), or its stream, request.body',
  Headers: 'Object.fromEntries(headers)',
  Promise: 'what it resolves to: await it',
  Error: 'an object with what others may know of it',
};
const OTHERWISE = 'a plain object or an array with what it holds';

/**
 * What is lost when a value is sent as `text`, its JSON; undefined when nothing is. What JavaScript keeps out of sight (the entries of a Map,
 * the bytes of a Blob) JSON leaves out without a word, and the other side would get `{}`. Looks at the value only when that is its text.
 */
export function jsonLoss(value: unknown, text: string): string | undefined {
  if (text !== '{}' || typeof value !== 'object' || value === null || 'toJSON' in value) return undefined;
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  const isList = Symbol.iterator in value || Symbol.asyncIterator in value;
  if (kind === 'Object' && !isList) return undefined;
  const instead = INSTEAD[kind] ?? (isList ? 'an array, [...it], or a stream, Readable.from(it)' : OTHERWISE);
  return `${kind === 'Object' ? 'this list' : `${/^[AEIOU]/.test(kind) ? 'an' : 'a'} ${kind}`} would be sent as {}, without what it holds. Give ${instead}.`;
}
