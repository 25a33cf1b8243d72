import { createHash } from 'node:crypto';
import type { Call } from '../../call/call.js';
import { currentCall } from '../../call/context.js';
import { PRINCIPAL } from '../../call/principal.js';
import { SENT } from '../../call/sent.js';

/** What is asked for, whoever asks: what a write to it makes stale. */
export function resourceOf(call: Call): string {
  const sent = call.values.get(SENT);
  const { service, path } = call.operation;
  if (sent !== undefined) return JSON.stringify([service, sent.target]);
  return JSON.stringify([service, path, sorted(call.params), sorted(call.query)]);
}

/** All that decides what the reply is, but for what `Vary` names. */
export function keyOf(call: Call, resource: string, headers: readonly string[], identity: string): string {
  const sent = call.values.get(SENT);
  const values = headers.map((name) => call.header(name) ?? null);
  // A handler that makes links of its own host would else be made to give them to others.
  const host = call.side === 'server' ? call.header('host') : undefined;
  return JSON.stringify([call.operation.method, resource, sent?.mode, sent?.address, host, values, identity]);
}

/** What the reply varies by besides: a key of its own for each combination. */
export function variantOf(call: Call, key: string, names: readonly string[]): string {
  return `${key}\n${digest(names.map((name) => [name, call.header(name)?.trim() ?? null]))}`;
}

/** Names in the reply's `Vary`, in order. */
export function varyNames(field: string | undefined): readonly string[] {
  if (field === undefined) return [];
  const names = field.split(',').map((name) => name.trim().toLowerCase());
  return [...new Set(names.filter((name) => name !== ''))].sort();
}

/** Where credentials stand. */
const CREDENTIALS = ['authorization', 'proxy-authorization', 'cookie', 'x-api-key'] as const;

/**
 * On whose behalf the call is made, as a hash: the principal and the credentials of the call and of the request that it is made for, since
 * a service that has checked who asks may ask others without saying so. undefined when that cannot be told, so that nothing may be kept.
 */
export function identityOf(call: Call): string | undefined {
  const parts: unknown[] = [];
  const request = call.side === 'client' ? currentCall() : undefined;
  for (const one of request === undefined ? [call] : [call, request]) {
    const principal = one.values.get(PRINCIPAL);
    if (principal !== undefined) parts.push(principal);
    for (const name of CREDENTIALS) {
      const value = one.header(name);
      if (value !== undefined) parts.push([name, value]);
    }
  }
  if (parts.length === 0) return '';
  try {
    return digest(parts);
  } catch {
    return undefined; // a principal without JSON
  }
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64');
}

function sorted(members: Readonly<Record<string, unknown>>): readonly (readonly [string, unknown])[] {
  return Object.keys(members)
    .sort()
    .map((name) => [name, members[name]] as const);
}
