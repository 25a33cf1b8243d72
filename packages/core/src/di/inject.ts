import { inject } from 'inversify';
import type { Newable, ServiceIdentifier } from 'inversify';
import { levelsOf, noting } from '../decorators/notes.js';
import type { Constructor } from '../decorators/notes.js';

/** What tokens give: classes their instances; of symbols the compiler knows nothing. */
export type Injected<T extends readonly ServiceIdentifier[]> = { -readonly [I in keyof T]: T[I] extends Newable<infer U> ? U : never };

/** On a constructor's parameter, or on a class for its parameters in order, whose types are then checked. */
export interface InjectMarker<T extends readonly ServiceIdentifier[]> {
  (target: object, key: string | symbol | undefined, index: number): void;
  (type: abstract new (...args: Injected<T>) => object, context?: ClassDecoratorContext): void;
}

/**
 * Says what a constructor wants. Needed where the compiler does not write it down: for tokens and interfaces, under standard decorators, and
 * under compilers without `emitDecoratorMetadata` (tsx, esbuild). On a class it takes a token for each parameter; on a parameter one.
 */
export function Inject<const T extends readonly [ServiceIdentifier, ...ServiceIdentifier[]]>(...tokens: T): InjectMarker<T> {
  for (const [index, token] of (tokens as readonly unknown[]).entries()) {
    if (token === undefined || token === null)
      throw new TypeError(
        `@Inject: token ${index} is ${String(token)}. Two files that import each other see each other's classes too late; give a token.`,
      );
  }
  const onClass = noting('@Inject', tokens, ['class']);
  return (target: object, second?: unknown, third?: unknown): void => {
    if (typeof third === 'number' && second === undefined) {
      if (tokens.length > 1) throw new TypeError(`@Inject: a parameter takes one token, and was given ${tokens.length}.`);
      return void inject(tokens[0])(target, undefined, third);
    }
    onClass(target, second, third);
  };
}

/** What `@Inject` on the class, or on the class whose constructor it inherits, says of its constructor. */
export function injectedBy(type: Constructor): readonly ServiceIdentifier[] | undefined {
  for (const { of, notes } of levelsOf(type).toReversed()) {
    const note = notes.findLast(({ by }) => by === '@Inject');
    if (note !== undefined) return note.value as readonly ServiceIdentifier[];
    // It has a constructor of its own, of which the base's note says nothing.
    if (of.length > 0) return undefined;
  }
  return undefined;
}
