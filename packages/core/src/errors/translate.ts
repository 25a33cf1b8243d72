import type { Call } from '../call/call.js';
import { checkRecord } from '../options/check.js';
import { shown } from '../options/shown.js';
import { acceptedLanguages } from './accept-language.js';
import { ownWords, wordsIn } from './problem.js';
import type { Words } from './problem.js';
import type { ServiceError } from './service-error.js';

/** What an error is called in another language. What is left out stays as the error has it. */
export interface Translation {
  readonly title?: string;
  /** Of an error that may not be shown to a client it is not used. */
  readonly detail?: string;
}

/**
 * The words for an error in a language, from its `reason`, `code`, `number` and `params`; undefined when there are none, and the next language is
 * asked for. `locale` is a language range that the client wants, such as `zh-CN` and then `zh`.
 */
export type Translate = (error: ServiceError, locale: string) => Translation | undefined;

/** Words, and in which language they are. */
export interface Spoken {
  readonly words: Words;
  readonly language: string;
}

const MOST_ASKED = 8;

/**
 * The words for the client of a call, in the first of its languages that there are any in; the error's own when none fits. One that throws,
 * is asynchronous or gives anything but texts is taken for one that knows nothing. Never throws.
 * @param language that of the errors themselves: a client that wants it more than others gets their own words
 */
export function spokenTo(call: Call, error: ServiceError, translate: Translate, language: string): Spoken {
  let asked = 0;
  const own = language.toLowerCase();
  const done = new Set<string>();
  for (const accepted of acceptedLanguages(call.header('accept-language'))) {
    // RFC 4647, 3.4: zh-Hans-CN, then zh-Hans, then zh.
    for (let range = accepted; range !== ''; range = range.slice(0, Math.max(0, range.lastIndexOf('-')))) {
      const key = range.toLowerCase();
      if (done.has(key)) continue;
      done.add(key);
      if (asked++ === MOST_ASKED) return { words: ownWords(error), language };
      const given = translated(error, range, translate);
      if (given !== undefined) return { words: wordsIn(error, given), language: range };
      // A client that wants `en` gets `en-GB`: RFC 4647, 3.3.1.
      if (own === key || own.startsWith(`${key}-`)) return { words: ownWords(error), language };
    }
  }
  return { words: ownWords(error), language };
}

function translated(error: ServiceError, locale: string, translate: Translate): { readonly title?: unknown; readonly detail?: unknown } | undefined {
  try {
    const given: unknown = translate(error, locale);
    if (typeof given !== 'object' || given === null) return undefined;
    // A promise comes too late for this reply; its rejection is not for the process.
    if (typeof (given as { then?: unknown }).then === 'function') return void Promise.resolve(given as PromiseLike<unknown>).catch(() => undefined);
    const { title, detail } = given as { title?: unknown; detail?: unknown };
    return isText(title) || isText(detail) ? { title, detail } : undefined;
  } catch {
    return undefined;
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

/** By language, then by reason or code: `{ 'zh': { USER_NOT_FOUND: { title: '用户不存在', detail: '没有用户 {id}' } } }`. A text alone is the title. */
export type TranslationTable = Readonly<Record<string, Readonly<Record<string, string | Translation>>>>;

/**
 * A `translate` that looks words up by language and by the error's reason, then by its code; `{name}` in a detail is filled with the param of
 * that name. A detail with a param that the error has not is not used. Where a language stands with its region alone, `zh-CN`, whoever asks for
 * `zh` gets that.
 * @throws TypeError when the table is none
 */
export function translations(table: TranslationTable): Translate {
  checkRecord(table, 'translations');
  const languages = new Map<string, ReadonlyMap<string, Translation>>();
  for (const [language, entries] of Object.entries(table)) {
    checkRecord(entries, `translations ${language}`);
    const words = new Map<string, Translation>();
    for (const [name, given] of Object.entries(entries)) words.set(name, checkedTranslation(given, `translations ${language} ${name}`));
    languages.set(language.toLowerCase(), words);
  }
  return (error, locale) => {
    const words = languages.get(locale.toLowerCase()) ?? regional(languages, locale);
    const found = (error.reason === undefined ? undefined : words?.get(error.reason)) ?? words?.get(error.code);
    if (found?.detail === undefined) return found;
    const detail = filled(found.detail, error);
    return detail === undefined ? { ...(found.title !== undefined && { title: found.title }), detail: found.title ?? '' } : { ...found, detail };
  };
}

/** Who asks for `zh` reads `zh-CN` too: the first region of the language in the table. */
function regional(languages: ReadonlyMap<string, ReadonlyMap<string, Translation>>, locale: string): ReadonlyMap<string, Translation> | undefined {
  const start = `${locale.toLowerCase()}-`;
  for (const [language, words] of languages) if (language.startsWith(start)) return words;
  return undefined;
}

function checkedTranslation(given: unknown, option: string): Translation {
  if (typeof given === 'string' && given !== '') return { title: given, detail: given };
  const { title, detail } = (typeof given === 'object' && given !== null ? given : {}) as { title?: unknown; detail?: unknown };
  if ([title, detail].some((one) => one !== undefined && !isText(one)) || (title === undefined && detail === undefined))
    throw new TypeError(`${option}: ${shown(given)} has no words. Give a title, or { title, detail } with {name} for params.`);
  return {
    ...(typeof title === 'string' && { title }),
    ...(typeof detail === 'string' ? { detail } : { detail: title as string }),
  };
}

/** undefined when a param is missing. */
function filled(detail: string, { params }: ServiceError): string | undefined {
  let missing = false;
  const text = detail.replaceAll(/\{(\w{1,64})\}/g, (_whole, name: string) => {
    if (params === undefined || !Object.hasOwn(params, name)) missing = true;
    return String(params?.[name]);
  });
  return missing ? undefined : text;
}
