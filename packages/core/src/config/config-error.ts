/** One thing that is wrong in a configuration. */
export interface ConfigProblem {
  /** Where: `clients.orders.timeout`; empty for the whole. */
  readonly path: string;
  /** `ferrule.yaml:12`, `ferrule.json`, or the variable that said it. undefined for what was given in code, or is missing. */
  readonly source?: string;
  /** What stands there, as a message may show it: short, and of secrets only that they are. undefined when nothing does. */
  readonly value?: string;
  /** What would be right. */
  readonly expected: string;
  /** The keys that an unknown one was probably meant to be. */
  readonly nearest?: readonly string[];
  /** All of it in a sentence or two. */
  readonly message: string;
  /** What was thrown while a package was loaded or a part was made. */
  readonly cause?: unknown;
}

/** A configuration that cannot be used, with everything that is wrong in it. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const causes = problems.map(({ cause }) => cause).filter((cause) => cause !== undefined);
    const cause = causes.length > 1 ? new AggregateError(causes, 'Several parts failed') : causes[0];
    super(headline(problems), cause === undefined ? undefined : { cause });
    this.problems = problems;
  }

  static {
    Object.defineProperty(this.prototype, 'name', { value: 'ConfigError' });
  }
}

function headline(problems: readonly ConfigProblem[]): string {
  const lines = problems.map(({ source, message }) => `  ${source === undefined ? '' : `${source}: `}${message}`);
  return `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${lines.join('\n')}`;
}
