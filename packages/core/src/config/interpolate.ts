import { EnvironmentText } from './environment-text.js';
import type { Findings, Path } from './findings.js';
import { isTree } from './kind.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** `$${NAME}` stands for `${NAME}` itself. */
const REFERENCE = /(\$?)\$\{([^}]*)\}/g;
const NAME = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;
/** Deeper is nothing that anybody reads. */
const DEEPEST = 64;

/**
 * The value with the environment's in the place of each `${NAME}` in its texts; `${NAME:-otherwise}` has a default. An empty variable is a
 * missing one, and a missing one a problem. Without an environment it is a copy.
 */
export function interpolate(value: unknown, env: Environment | undefined, path: Path, findings: Findings): unknown {
  if (path.length > DEEPEST) {
    findings.add(path.slice(0, 8), { what: `it is nested deeper than ${DEEPEST} levels`, expected: 'Give less' });
    return undefined;
  }
  if (typeof value === 'string') return env === undefined ? value : interpolated(value, env, path, findings);
  if (Array.isArray(value)) return value.map((one, index) => interpolate(one, env, [...path, String(index)], findings));
  if (!isTree(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, interpolate(one, env, [...path, name], findings)]));
}

function interpolated(text: string, env: Environment, path: Path, findings: Findings): unknown {
  if (!text.includes(`\${`)) return text;
  let variable: string | undefined;
  let failed = false;
  const filled = text.replace(REFERENCE, (whole, escape: string, reference: string) => {
    if (escape !== '') return whole.slice(1);
    const [, name, otherwise] = NAME.exec(reference) ?? [];
    const found = name === undefined ? undefined : Object.hasOwn(env, name) ? env[name] : undefined;
    if (name !== undefined && found !== undefined && found !== '') {
      variable ??= name;
      findings.hide(found);
      return found;
    }
    if (name !== undefined && otherwise !== undefined) return otherwise;
    failed = true;
    if (name === undefined)
      findings.add(path, {
        what: 'it refers to the environment by something that is no name',
        expected: `Give \${NAME}, \${NAME:-default}, or $\${NAME} for the text itself`,
      });
    else
      findings.add(path, {
        what: `the environment variable ${name} is ${found === '' ? 'empty' : 'not set'}`,
        expected: `Set ${name}, or give a default with \${${name}:-…}`,
      });
    return '';
  });
  if (failed) return undefined;
  // Without a variable it is a default or an escaped text: a default has to mean what the variable would.
  return new EnvironmentText(filled, variable ?? 'the text', variable !== undefined);
}
