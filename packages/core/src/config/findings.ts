import { REDACTED, secretKeys, withoutUrlSecrets } from '../logging/redact.js';
import { shown } from '../options/shown.js';
import type { ConfigProblem } from './config-error.js';
import { EnvironmentText } from './environment-text.js';

export type Path = readonly string[];

/** Where a value came from. */
export interface Origin {
  /** For people: `ferrule.yaml:12`, or a variable. */
  readonly label?: string;
  /** The file's path, when it was one. */
  readonly file?: string;
}

export interface Finding {
  /** Without it the value is missing. */
  readonly value?: unknown;
  /** What is wrong, after the value: `is no duration`. */
  readonly what: string;
  readonly expected: string;
  readonly nearest?: readonly string[];
  readonly cause?: unknown;
  /** Where, when the path does not tell. */
  readonly origin?: string;
}

const isSecretWord = secretKeys();
/** The whole name has to be one of these: `stableKey` is harmless. */
const SECRET_NAMES: ReadonlySet<string> = new Set(['key', 'pass', 'headers']);
/** A shorter secret would take half of every message away with it. */
const SHORTEST_SCRUBBED = 4;

/** Whether what stands under this path must not be shown. */
export function isSecretPath(path: Path): boolean {
  return path.some(
    (name, index) => !isServiceName(path, index) && !isKeyOfCalls(path, index) && (isSecretWord(name) || SECRET_NAMES.has(name.toLowerCase())),
  );
}

/** A service may be called `auth` or `tokens`, and a route `GET /tokens`. */
function isServiceName(path: Path, index: number): boolean {
  return path[index - 1] === 'services' || path[index - 1] === 'routePolicies' || (index === 1 && path[0] === 'clients');
}

const HOLDING_KEYS: ReadonlySet<string | undefined> = new Set(['balancer', 'fallbackBalancer', 'metadata']);

/** What a hash balancer reads in calls, and a filter in metadata: the name of a place, not what stands there. */
function isKeyOfCalls(path: Path, index: number): boolean {
  return path[0] === 'clients' && path[index] === 'key' && HOLDING_KEYS.has(path[index - 1]);
}

/** Collects what is wrong, and sees to it that no secret is in it. */
export class Findings {
  readonly #problems: ConfigProblem[] = [];
  readonly #paths: Path[] = [];
  readonly #secrets = new Set<string>();
  /** What was given at a path, before it was read. */
  given: (path: Path) => unknown = () => undefined;
  readonly #originOf: (path: Path) => Origin | undefined;

  constructor(originOf: (path: Path) => Origin | undefined) {
    this.#originOf = originOf;
  }

  get problems(): readonly ConfigProblem[] {
    return this.#problems;
  }

  originOf(path: Path): Origin | undefined {
    return this.#originOf(path);
  }

  /** A new list of problems, with the same secrets and places. */
  further(): Findings {
    const more = new Findings(this.#originOf);
    more.given = this.given;
    for (const secret of this.#secrets) more.#secrets.add(secret);
    return more;
  }

  /** Whether nothing is wrong at the path and below it, so that a part can be made of what stands there. */
  isClean(path: Path): boolean {
    return !this.#paths.some((found) => path.every((name, index) => found[index] === name));
  }

  /** Remembers a text that no message may hold, not even one that somebody else has written. */
  hide(text: string): void {
    if (text.length >= SHORTEST_SCRUBBED) this.#secrets.add(text);
  }

  add(path: Path, { value, what, expected, nearest, cause, origin = this.#originOf(path)?.label }: Finding): void {
    const text = pathText(path);
    const told = value === undefined ? undefined : this.#told(path, value);
    const meant = nearest === undefined || nearest.length === 0 ? '' : ` Did you mean ${nearest.join(' or ')}?`;
    const message = `${text === '' ? '' : `${text}: `}${told === undefined ? '' : `${told} `}${what}.${meant}${expected === '' ? '' : ` ${expected}.`}`;
    this.#paths.push(path);
    this.#problems.push({
      path: text,
      ...(origin !== undefined && { source: origin }),
      ...(told !== undefined && { value: told }),
      expected,
      ...(nearest !== undefined && nearest.length > 0 && { nearest }),
      message: this.scrub(message),
      ...(cause !== undefined && { cause }),
    });
  }

  /** What `make` makes; undefined when it throws, which then is a problem at this path. */
  attempt<T>(path: Path, make: () => T): T | undefined {
    try {
      return make();
    } catch (error) {
      this.addError(path, error);
      return undefined;
    }
  }

  /** What a part has thrown, which says what is wrong in its own words. */
  addError(path: Path, error: unknown, isCause = false): void {
    const message = (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
    this.add(path, { what: message, expected: '', ...(isCause && { cause: this.scrubbed(error) }) });
  }

  scrub(text: string): string {
    let safe = text;
    for (const secret of this.#secrets) safe = safe.replaceAll(secret, REDACTED);
    return withoutUrlSecrets(safe, isSecretWord);
  }

  /** A copy of an error that was thrown by somebody who had the secrets. */
  scrubbed(error: unknown): Error {
    const copy = new Error(this.scrub(error instanceof Error ? error.message : String(error)));
    if (error instanceof Error && error.stack !== undefined) copy.stack = this.scrub(error.stack);
    return copy;
  }

  #told(path: Path, value: unknown): string {
    if (value instanceof EnvironmentText) {
      if (value.isSecret || isSecretPath(path)) return `the value of ${value.variable}`;
      return this.scrub(shown(value.text));
    }
    return isSecretPath(path) ? 'a secret value' : this.scrub(shown(value));
  }
}

/** `clients.orders.headers["x-a.b"]`, `routing.rules[0].name`. */
export function pathText(path: Path): string {
  let text = '';
  for (const name of path) {
    if (/^\d+$/.test(name)) text += `[${name}]`;
    else if (/^[\w-]+$/.test(name)) text += text === '' ? name : `.${name}`;
    else text += `[${JSON.stringify(name.slice(0, 100))}]`;
  }
  return text;
}
