import { begin } from '../call/call.js';
import type { Call } from '../call/call.js';
import { Reply } from '../call/reply.js';
import type { Note } from '../decorators/notes.js';
import type { WrapperLike, WrapperOption } from '../wrappers/stack.js';
import { named } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import type { MapErrorNote, WrapArgument, WrapperClass } from './controller-decorators.js';
import { POLICY_ORDER } from './policy-decorators.js';
import type { PolicyNote } from './policy-decorators.js';
import type { Resolve } from './resolve.js';

/** What stands around every route of a class: made once, so that a bulkhead of the class is one for all its routes. */
export interface Shared {
  readonly mapping: readonly Wrapper[];
  readonly wraps: readonly WrapperOption[];
  readonly policies: ReadonlyMap<string, Wrapper>;
}

export function sharedBy(notes: readonly Note[], resolve: Resolve, status?: number): Shared {
  const policies = new Map<string, Wrapper>();
  const mapping: Wrapper[] = [];
  const wraps: WrapperOption[] = [];
  for (const { by, value } of notes) {
    if (by === '@MapError') mapping.push(mapError(value as MapErrorNote));
    else if (by === '@Wrap') wraps.push(...(value as readonly WrapArgument[]).map((one) => wrapperFrom(one, resolve)));
    else if (typeof value === 'object' && value !== null && 'policy' in value)
      policies.set((value as PolicyNote).policy, (value as PolicyNote).make(status));
  }
  return { mapping, wraps, policies };
}

/** The one order within a route: mapping of errors, wrappers of one's own, named policies. */
export function wrappersOf(ofClass: Shared, notes: readonly Note[], status: number | undefined, resolve: Resolve): readonly WrapperOption[] {
  const own = sharedBy(notes, resolve, status);
  const policies = POLICY_ORDER.map((kind) => own.policies.get(kind) ?? ofClass.policies.get(kind)).filter((one) => one !== undefined);
  return [...ofClass.mapping, ...own.mapping, ...ofClass.wraps, ...own.wraps, ...policies];
}

function mapError({ of, map }: MapErrorNote): Wrapper {
  const mapped = (error: unknown, call: Call): Reply => {
    const result = error instanceof of ? map(error, call) : undefined;
    if (result === undefined) throw error;
    if (result instanceof Error) throw result;
    // For those who observe and log: what the reply was made from.
    return result.error === undefined ? new Reply(result.status, result.body, result.headers, { error, sent: result.sent }) : result;
  };
  return named({ name: `mapError(${of.name})` }, (next) => (call) => begin(next, call).catch((error: unknown) => mapped(error, call)));
}

/** A wrapper as a stack takes it: classes and tokens are resolved. What is none is refused by `route`. */
export function wrapperFrom(given: WrapArgument, resolve: Resolve): WrapperOption {
  if (typeof given === 'symbol' || isWrapperClass(given)) return resolve(given) as WrapperOption;
  if (typeof given === 'object' && 'wrapper' in given) return { ...given, wrapper: wrapperFrom(given.wrapper, resolve) as WrapperLike };
  return given;
}

/** A wrapper is a function as a class is; only the class has `wrap` for its instances. */
export function isWrapperClass(given: unknown): given is WrapperClass {
  return typeof given === 'function' && typeof (given as { prototype?: { wrap?: unknown } }).prototype?.wrap === 'function';
}
