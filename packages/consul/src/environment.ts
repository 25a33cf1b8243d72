import { shown } from '@ferrule/core/adapter';

/** A variable, where one that is empty counts as not there. */
export function variable(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name];
  return value === '' ? undefined : value;
}

/** A truth value as Consul's own tools take it. @throws TypeError naming the variable. */
export function flag(env: NodeJS.ProcessEnv, name: string): boolean | undefined {
  const value = variable(env, name);
  if (value === undefined) return undefined;
  if (/^(?:1|t|true)$/i.test(value)) return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw wrong(name, value, "Give 'true' or 'false'");
}

/** What every option of `consulRegistry` that does not fit throws. */
export function wrong(option: string, value: unknown, remedy: string): TypeError {
  return new TypeError(`consulRegistry ${option}: ${shown(value)} does not fit. ${remedy}.`);
}
