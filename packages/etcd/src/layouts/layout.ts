import type { Instance } from '@ferrule/core';

/** How instances stand in etcd: one key each. */
export interface Layout {
  /** What all keys begin with; ends with a slash. */
  readonly prefix: string;
  /** What the keys of a service begin with; ends with a slash. */
  servicePrefix(service: string): string;
  /** @throws TypeError when the layout cannot tell it from another one. */
  key(service: string, id: string): string;
  /** @throws TypeError naming the field that does not fit. */
  encode(instance: Instance, owner: string, note: string | undefined): string;
  /** undefined: it is somebody's whom we cannot call. @throws Error saying why it is none. */
  decode(value: string): Entry | undefined;
  /** The service that a key belongs to, where keys tell it; left out: values do. */
  serviceOf?(key: string): string | undefined;
}

export interface Entry {
  readonly instance: Instance;
  /** Who wrote it; undefined when it was another tool. */
  readonly owner: string | undefined;
}

/** @throws Error when the text is no JSON object. */
export function objectOf(text: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(text);
  if (!isObject(value)) throw new Error('it is no JSON object');
  return value;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
