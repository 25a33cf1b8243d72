import type { Call } from '../call/call.js';
import { levelsOf, nameOf } from '../decorators/notes.js';
import type { Constructor, Note } from '../decorators/notes.js';
import type { Check } from '../health/check.js';
import type { HealthCheckNote, VerbNote } from './controller-decorators.js';
import { membersOf } from './controller-members.js';
import { sharedBy, wrappersOf } from './controller-wrappers.js';
import { argumentsOf } from './parameters.js';
import type { Source } from './parameters.js';
import { withoutContainer } from './resolve.js';
import type { Resolve } from './resolve.js';
import { route } from './route.js';
import type { Result, Route, RouteHandler } from './route.js';

export interface ControllerOptions {
  /** Asked for controllers and wrappers that are given as classes or tokens. Without it a class whose constructor takes nothing is made with `new`. */
  readonly resolve?: Resolve;
}

/** The routes of a controller, and its health checks. */
export interface ControllerParts {
  readonly routes: readonly Route[];
  readonly checks: readonly Check[];
}

/**
 * The routes of a decorated controller: an instance, or its class. Routes of base classes are its own too; a method that carries a verb
 * again takes the place of the inherited one. Nothing is cached and no metadata changed: each call makes routes, with policies of their own.
 * @throws TypeError for a class without `@Controller`, a parameter without a source, a source that names no parameter of the path, two
 * methods for one route, and decorators that do nothing where they stand
 */
export function controllerRoutes(controller: object, options: ControllerOptions = {}): readonly Route[] {
  return controllerParts(controller, options).routes;
}

/** The `@HealthCheck` methods of a controller as checks. */
export function controllerChecks(controller: object, options: ControllerOptions = {}): readonly Check[] {
  return controllerParts(controller, options).checks;
}

/** As `controllerRoutes`; `seen` holds the routes of controllers before it, so that two for one route are found across them too. */
export function controllerParts(controller: object, options: ControllerOptions = {}, seen: Map<string, string> = new Map()): ControllerParts {
  const isClass = typeof controller === 'function';
  const type = (isClass ? controller : (controller as { constructor?: unknown } | null)?.constructor) as Constructor | undefined;
  if (typeof type !== 'function')
    throw new TypeError(`controllers: ${String(controller)} is no controller. Give an instance or a class with @Controller.`);
  const levels = levelsOf(type);
  const name = nameOf(type);
  const onClass = levels.map((level) => level.notes.filter(({ place }) => place === 'class'));
  if (onClass.some((notes) => notes.some(({ by }) => by === '@ServiceClient')))
    throw new TypeError(`${name} is a @ServiceClient, which calls another service. A controller has @Controller.`);
  const prefix = onClass.flat().findLast(({ by }) => by === '@Controller')?.value as string | undefined;
  if (prefix === undefined) {
    throw new TypeError(
      `${name} has no @Controller, so it is no controller. Put @Controller('/path') on the class${isClass ? '' : '; an object without a class is none, give routes instead'}.`,
    );
  }
  const resolve: Resolve = options.resolve ?? withoutContainer;
  const make = (): object => (isClass ? (resolve(type) as object) : controller);
  const single = isClass && resolve.perCall?.(type) === true ? undefined : make();
  if (single === null || (single !== undefined && typeof single !== 'object'))
    throw new TypeError(`${name}: resolve gave ${String(single)} in place of an instance.`);
  const target = single === undefined ? make : (): object => single;
  // What a fallback gives is sent with the status of its route, and it holds no state: of a class too there is one for each route.
  const fallbacks = onClass.flat().filter(({ by }) => by === '@Fallback');
  const shared = sharedBy(
    onClass.flat().filter((note) => !fallbacks.includes(note)),
    telling(resolve, name),
  );

  const routes: Route[] = [];
  const checks: Check[] = [];
  for (const member of membersOf(levels)) {
    const where = `${name}.${String(member.key)}`;
    const method = (type.prototype as Record<string | symbol, unknown>)[member.key];
    const check = member.others.findLast(({ by }) => by === '@HealthCheck');
    if (member.verbs.length === 0 && check === undefined) {
      const by = [...member.others, ...member.parameters][0]!.by;
      throw new TypeError(`${where}: ${by} does nothing without a verb. Put @Get('/path') or another verb on the method.`);
    }
    if (typeof method !== 'function')
      throw new TypeError(
        `${where}: ${member.verbs[0]!.by} stands on a field, which is for a @ServiceClient. In a @Controller it stands on a method.`,
      );
    for (const note of member.verbs) {
      const { verb, path, options: routeOptions, sources } = note.value as VerbNote;
      const full = path === '/' || path === '' ? (prefix === '' ? '/' : prefix) : `${prefix}${path}`;
      const place = `${where}, ${note.by}('${full}')`;
      const key = `${verb} ${shapeOf(full)}`;
      const other = seen.get(key);
      if (other !== undefined) throw new TypeError(`${place}: ${other} has this route already. Give each method and path to one handler.`);
      seen.set(key, where);
      const status = (member.others.findLast(({ by }) => by === '@Status')?.value as number | undefined) ?? routeOptions.status;
      const wrappers = [...(routeOptions.wrappers ?? []), ...wrappersOf(shared, [...fallbacks, ...member.others], status, telling(resolve, where))];
      const given = sources.length > 0 ? sources : sourcesOf(member.parameters, method.length, routeOptions.input !== undefined ? 2 : 1, place);
      if (sources.length > 0 && member.parameters.length > 0)
        throw new TypeError(`${place}: ${member.parameters[0]!.by} stands beside sources in the verb. Use one of the two.`);
      checkParams(given, full, place);
      routes.push(
        route(
          verb,
          full,
          { ...routeOptions, wrappers, ...(status !== undefined && { status }) },
          handlerOf(target, member.key, given, routeOptions.input !== undefined),
        ),
      );
    }
    if (check !== undefined) {
      const { name: checkName, ...more } = check.value as HealthCheckNote;
      checks.push({ ...more, name: checkName, run: (context) => call(target(), member.key, [context]) });
    }
  }
  if (routes.length === 0 && checks.length === 0) throw new TypeError(`${name} has no route. Put @Get('/path') or another verb on a method.`);
  return { routes, checks };
}

/** As `resolve`, for the tokens of `@Wrap`: a failure says where they stand. */
function telling(resolve: Resolve, where: string): Resolve {
  return (token) => {
    try {
      return resolve(token);
    } catch (error) {
      if (typeof token !== 'symbol' || !(error instanceof TypeError)) throw error;
      throw new TypeError(`@Wrap(${String(token)}) on ${where}: ${error.message}`, { cause: error });
    }
  };
}

/** Parameter decorators as sources, in order; none when there are none. */
function sourcesOf(notes: readonly Note[], length: number, most: number, place: string): readonly Source[] {
  if (notes.length === 0) {
    if (length > most) throw unknownParameter(place, most);
    return [];
  }
  const sources: Source[] = [];
  for (const note of notes) {
    if (sources[note.index!] !== undefined) throw new TypeError(`${place}: parameter ${note.index} has two decorators. Keep one.`);
    sources[note.index!] = note.value as Source;
  }
  for (let index = 0; index < Math.max(length, sources.length); index++) if (sources[index] === undefined) throw unknownParameter(place, index);
  return sources;
}

function unknownParameter(place: string, index: number): TypeError {
  return new TypeError(
    `${place}: nobody knows where parameter ${index} comes from. Give its source to the verb, such as param('id') or body(schema), or decorate it with @Param, @Query, @Header, @Body or @Context.`,
  );
}

function checkParams(sources: readonly Source[], path: string, place: string): void {
  const known = paramsOf(path);
  for (const { from, name } of sources) {
    if (from === 'params' && name !== undefined && !known.includes(name))
      throw new TypeError(`${place}: the path has no parameter '${name}'. ${known.length === 0 ? 'It has none.' : `It has ${known.join(', ')}.`}`);
  }
}

function paramsOf(path: string): readonly string[] {
  return [...Array.from(path.matchAll(/(?<!:):([A-Za-z_]\w*)/g), (match) => match[1]!), ...(path.includes('*') ? ['*'] : [])];
}

/** Paths that match the same requests have the same shape; expressions in parameters are left to the router. */
function shapeOf(path: string): string {
  return path
    .toLowerCase()
    .replace(/(?<!:):[a-z_]\w*/g, ':')
    .replace(/(?<=.)\/$/, '');
}

function handlerOf(target: () => object, key: string | symbol, sources: readonly Source[], withInput: boolean): RouteHandler {
  if (withInput) return ((one: Call, input: unknown) => call(target(), key, [one, input])) as RouteHandler;
  if (sources.length === 0) return (one) => (target() as Methods)[key]!(one);
  const read = argumentsOf(sources);
  return (one): Result => {
    const values = read(one);
    return values instanceof Promise ? values.then((late) => call(target(), key, late)) : call(target(), key, values);
  };
}

type Methods = Readonly<Record<string | symbol, (...args: readonly unknown[]) => unknown>>;

function call(instance: object, key: string | symbol, values: readonly unknown[]): unknown {
  return (instance as Methods)[key]!(...values);
}
