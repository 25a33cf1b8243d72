import type { InForce } from './in-force.js';
import { compose, named, traitsOf } from './wrapper.js';
import type { Handler, Wrapper } from './wrapper.js';

/** A wrapper as an object, such as an instance of an injectable class: `wrap` is called once, at start-up, with the object as `this`. */
export interface WrapperObject {
  /** In `describe()` and in positions. Default: the name of its class. */
  readonly name?: string;
  /** As in `WrapperTraits`. Default false. */
  readonly replays?: boolean;
  wrap(next: Handler): Handler;
}

export type WrapperLike = Wrapper | WrapperObject;

/** Where a wrapper stands: outside of a step (`before`, it sees the call earlier) or inside of it (`after`). One of the two. */
export interface StepPosition {
  readonly before?: string;
  readonly after?: string;
}

export interface PlacedWrapper extends StepPosition {
  readonly wrapper: WrapperLike;
}

/** What a list of wrappers may hold: wrappers, which go where the application's wrappers go, and placed ones. */
export type WrapperOption = WrapperLike | PlacedWrapper;

/** A step of a stack; without a wrapper it is a place that has a name, for what is turned off or comes later. */
export interface Step {
  readonly name: string;
  readonly wrapper?: Wrapper | false | undefined;
}

interface Entry {
  readonly name: string;
  readonly wrapper: Wrapper | undefined;
  readonly isStep: boolean;
  /** The entry behind which it was put. */
  readonly behind: Entry | undefined;
}

/**
 * An order of named steps, the outermost first, into which wrappers are put by position. Names are matched exactly; `timeout` also
 * stands for `timeout(total)` and `timeout(attempt)`: `before` is then outside of the outermost, `after` inside of the innermost.
 * A step that is turned off keeps its place. Where no step has the name, wrappers that were added earlier are found by theirs.
 */
export class Stack {
  readonly #home: string;
  #entries: readonly Entry[];

  /**
   * @param home the step behind which wrappers without a position go, in the order in which they are added
   * @throws TypeError when two steps have one name or none has that of `home`
   */
  constructor(steps: readonly Step[], home: string) {
    const names = steps.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) throw new TypeError(`Stack: two steps are called ${twice}. Give each a name of its own.`);
    if (!names.includes(home)) throw new TypeError(`Stack: there is no step ${JSON.stringify(home)}. The steps are ${names.join(', ')}.`);
    this.#home = home;
    this.#entries = steps.map(({ name, wrapper }) => ({ name, wrapper: wrapper === false ? undefined : wrapper, isStep: true, behind: undefined }));
  }

  /**
   * Puts a wrapper directly outside of a step, or directly inside of it, or without a position to those of the application. Of several
   * that are added to one place the first is the outermost.
   * @throws TypeError when it is no wrapper, or the position names no step; the message names them
   */
  add(wrapper: WrapperLike, position: StepPosition = {}): this {
    const made = wrapperOf(wrapper, 'Stack');
    const { before, after } = checkedPosition(position, traitsOf(made).name);
    const entries = [...this.#entries];
    const anchor = this.#find(before ?? after ?? this.#home, before !== undefined, traitsOf(made).name);
    let index = entries.indexOf(anchor);
    if (before === undefined) {
      index++;
      while (index < entries.length && isBehind(entries[index]!, anchor)) index++;
    }
    entries.splice(index, 0, { name: traitsOf(made).name, wrapper: made, isStep: false, behind: before === undefined ? anchor : anchor.behind });
    this.#entries = entries;
    return this;
  }

  /** Adds all of a list, as `add` does; those without a position go behind the step `home`. `where` is for messages. */
  addAll(options: readonly WrapperOption[], where = 'wrappers', home: string = this.#home): this {
    if (!Array.isArray(options)) throw new TypeError(`${where}: ${kindOf(options)} is no list. Give an array of wrappers, the outermost first.`);
    for (const option of options as readonly WrapperOption[]) {
      if (isPlaced(option)) this.add(wrapperOf(option.wrapper, where), placeOf(option, where));
      else this.add(wrapperOf(option, where), { after: home });
    }
    return this;
  }

  /** A stack of its own with the same entries. */
  copy(): Stack {
    const copy = new Stack([{ name: this.#home }], this.#home);
    copy.#entries = this.#entries;
    return copy;
  }

  /** All names that a position may use, those that are turned off included. */
  get steps(): readonly string[] {
    return this.#entries.filter(({ isStep }) => isStep).map(({ name }) => name);
  }

  /** What is in force, each under its name, the outermost first. */
  get inForce(): readonly InForce[] {
    return this.#entries.flatMap(({ name, wrapper }) => (wrapper === undefined ? [] : [{ name, wrapper }]));
  }

  /** The names of what is in force, the outermost first. */
  get names(): readonly string[] {
    return this.inForce.map(({ name }) => name);
  }

  /** What is in force, the outermost first. */
  get wrappers(): readonly Wrapper[] {
    return this.inForce.map(({ wrapper }) => wrapper);
  }

  /** The stack around a handler; later additions do not change what was made. */
  around(handler: Handler): Handler {
    return compose(...this.wrappers)(handler);
  }

  #find(name: string, outermost: boolean, of: string): Entry {
    const named = this.#entries.filter((entry) => entry.name === name);
    const family = this.#entries.filter((entry) => entry.name.startsWith(`${name}(`));
    const isStep = (entry: Entry): boolean => entry.isStep;
    const found = [named.filter(isStep), family.filter(isStep), named, family].find((entries) => entries.length > 0);
    if (found === undefined) {
      const added = this.#entries.filter((entry) => !entry.isStep).map((entry) => entry.name);
      throw new TypeError(
        `The position of ${of}: there is no step ${JSON.stringify(name)}. The steps are ${this.steps.join(', ')}${added.length === 0 ? '' : `; added were ${added.join(', ')}`}.`,
      );
    }
    return outermost ? found[0]! : found.at(-1)!;
  }
}

/** Whether it stands behind the anchor, or behind what does. */
function isBehind(entry: Entry, anchor: Entry): boolean {
  for (let at = entry.behind; at !== undefined; at = at.behind) if (at === anchor) return true;
  return false;
}

/**
 * The wrapper that an object stands for; a wrapper itself is given back.
 * @throws TypeError when it is neither, or a class of which nobody has made an instance
 */
export function wrapperOf(wrapper: WrapperLike, where: string): Wrapper {
  if (typeof wrapper === 'function') {
    if (!/^class\b/.test(Function.prototype.toString.call(wrapper))) return wrapper;
    throw new TypeError(`${where}: ${wrapper.name} is a class. Give an instance of it, or let a container make one (@ferrule/core/di).`);
  }
  if (typeof wrapper !== 'object' || wrapper === null || typeof wrapper.wrap !== 'function') {
    throw new TypeError(
      `${where}: ${kindOf(wrapper)} is no wrapper. Give next => call => …, or an object with wrap(next); a factory such as timeout() has to be called.`,
    );
  }
  const { name, replays, constructor } = wrapper;
  const known = name ?? (constructor === Object ? 'anonymous' : constructor.name);
  return named({ name: known, ...(replays !== undefined && { replays }) }, (next) => wrapper.wrap(next));
}

/** Whether it says where it stands. */
export function isPlaced(option: WrapperOption): option is PlacedWrapper {
  return typeof option === 'object' && option !== null && 'wrapper' in option;
}

function placeOf(placed: PlacedWrapper, where: string): StepPosition {
  const { wrapper: _, ...position } = placed;
  for (const key of Object.keys(position)) {
    if (key !== 'before' && key !== 'after')
      throw new TypeError(`${where}: a placed wrapper has no ${JSON.stringify(key)}. It takes { wrapper, before } or { wrapper, after }.`);
  }
  return position;
}

function checkedPosition(position: StepPosition, of: string): StepPosition {
  const { before, after } = position;
  if (before !== undefined && after !== undefined)
    throw new TypeError(`The position of ${of}: it has before ${JSON.stringify(before)} and after ${JSON.stringify(after)}. Give one of the two.`);
  return position;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
