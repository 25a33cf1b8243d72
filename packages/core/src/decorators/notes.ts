import { METADATA } from './symbol-metadata.js';

/** Any class, abstract ones too. */
export type Constructor<T = object> = abstract new (...args: never[]) => T;

/** Where a decorator stands. */
export type Place = 'class' | 'method' | 'field' | 'parameter';

/** What one decorator has written down: nothing is built until somebody asks, and reading changes nothing. */
export interface Note {
  /** The decorator as it was written, for messages: `@Get`. */
  readonly by: string;
  readonly place: Place;
  /** The member's name; undefined for the class itself and for parameters of its constructor. */
  readonly key: string | symbol | undefined;
  /** Of a parameter, from 0. */
  readonly index: number | undefined;
  readonly value: unknown;
}

/** One class of an inheritance chain with its own notes, in the order in which they were written in the source. */
export interface Level {
  readonly of: Constructor;
  readonly notes: readonly Note[];
}

/** A property of the class (of its metadata object, for standard decorators), under a registered symbol: two copies of the package agree. */
const NOTES = Symbol.for('ferrule.decorators');

interface StandardContext {
  readonly kind: string;
  readonly name: string | symbol | undefined;
  readonly static?: boolean;
  readonly private?: boolean;
  readonly metadata?: object;
}

/**
 * A decorator of both kinds, TypeScript's `experimentalDecorators` and the standard one, that writes `value` down.
 * @throws TypeError, when it is applied, for a place that is not among `allowed`, a static or a private member
 */
export function noting(by: string, value: unknown, allowed: readonly Place[]): (target: unknown, second?: unknown, third?: unknown) => void {
  return (target, second, third) => {
    if (isStandard(second)) {
      const what = second.kind === 'method' && second.static === true ? 'static method' : second.kind;
      const place = allowed.find((one) => one === what);
      if (place === undefined) throw misplaced(by, what, second.name, allowed);
      if (second.private === true) throw misplaced(by, `private ${what}`, second.name, allowed);
      if (second.metadata === undefined)
        throw new TypeError(
          `${by}: the compiler gave no metadata. Symbol.metadata has to be there before a decorated class is compiled: import '@ferrule/core' in the file of the class.`,
        );
      return write(second.metadata, { by, place, key: place === 'class' ? undefined : second.name, index: undefined, value });
    }
    const [what, key, index] = legacyPlace(target, second, third);
    const place = allowed.find((one) => one === what);
    if (place === undefined) throw misplaced(by, what, key, allowed);
    write(typeof target === 'function' ? target : (target as { constructor: object }).constructor, { by, place, key, index, value });
  };
}

/** The chain from the base class to the class itself, with the notes of each. */
export function levelsOf(type: Constructor): readonly Level[] {
  const levels: Level[] = [];
  for (let one: object | null = type; typeof one === 'function' && one !== Function.prototype; one = Object.getPrototypeOf(one) as object | null) {
    const metadata = Object.hasOwn(one, METADATA) ? (Reflect.get(one, METADATA) as object | undefined) : undefined;
    levels.unshift({ of: one as Constructor, notes: asWritten([...own(metadata), ...own(one)]) });
  }
  return levels;
}

/** Members are decorated from the first to the last, and each with its decorators from the last to the first. */
function asWritten(applied: readonly Note[]): readonly Note[] {
  const byMember = new Map<string | symbol | undefined, Note[]>();
  for (const note of applied) {
    const notes = byMember.get(note.key);
    if (notes === undefined) byMember.set(note.key, [note]);
    else notes.unshift(note);
  }
  return [...byMember.values()].flat();
}

/** The class's name, for messages. */
export function nameOf(type: object): string {
  const { name } = type as { readonly name?: unknown };
  return typeof name === 'string' && name !== '' ? name : '(anonymous class)';
}

function own(holder: object | undefined): readonly Note[] {
  return holder !== undefined && Object.hasOwn(holder, NOTES) ? (Reflect.get(holder, NOTES) as readonly Note[]) : [];
}

function write(holder: object, note: Note): void {
  Object.defineProperty(holder, NOTES, { value: Object.freeze([...own(holder), Object.freeze(note)]), configurable: true });
}

function isStandard(second: unknown): second is StandardContext {
  return typeof second === 'object' && second !== null && typeof (second as { kind?: unknown }).kind === 'string';
}

function legacyPlace(target: unknown, second: unknown, third: unknown): readonly [string, string | symbol | undefined, number | undefined] {
  const key = second as string | symbol | undefined;
  if (typeof third === 'number') {
    if (key === undefined) return ['parameter of the constructor', undefined, third];
    return [typeof target === 'function' ? 'parameter of a static method' : 'parameter', key, third];
  }
  if (key === undefined) return [typeof target === 'function' ? 'class' : typeof target, undefined, undefined];
  if (typeof target === 'function') return ['static member', key, undefined];
  // Compilers give fields nothing, or a descriptor with an initializer.
  if (typeof third !== 'object' || third === null || 'initializer' in third) return ['field', key, undefined];
  return [typeof (third as PropertyDescriptor).value === 'function' ? 'method' : 'accessor', key, undefined];
}

const PLACES: Readonly<Record<Place, string>> = {
  class: 'a class',
  method: 'a method',
  field: 'a field of a @ServiceClient class',
  parameter: 'a parameter of a method',
};

function misplaced(by: string, what: string, key: string | symbol | undefined, allowed: readonly Place[]): TypeError {
  return new TypeError(
    `${by} stands on ${key === undefined ? `a ${what}` : `the ${what} ${String(key)}`}. It belongs on ${allowed.map((place) => PLACES[place]).join(' or ')}.`,
  );
}
