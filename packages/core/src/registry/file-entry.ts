import { createHash, randomBytes } from 'node:crypto';
import { checkInstance } from './instance.js';
import type { ProcessOwner } from './process-owner.js';
import type { Instance } from './registry.js';

/** What the file of one instance holds. */
export interface FileEntry {
  /** Made anew by each registration, so that a process can tell its own entry from one that replaced it. */
  readonly token: string;
  /** When it was registered, ms since the epoch, but later than what it replaced: of two that claim one id, the later one has it. */
  readonly since: number;
  readonly owner: ProcessOwner;
  /** How long the owner may stay silent, ms: its promise, so that readers with other settings judge it rightly. */
  readonly expireAfterMs: number;
  readonly instance: Instance;
  readonly note?: string;
}

/** No entry comes near it; a bigger file is none of ours. */
export const MOST_BYTES = 524_288;

const FORMAT = 1;
const LONGEST_NAME = 100;
const SUFFIX = '.json';
const TEMPORARY = /^\.[0-9a-f]{24}\.tmp$/;

/**
 * The file name of an instance: `<service>@<id>.json`. Whatever is no lower-case letter, digit, `-` or `_` is written as `%` and two digits,
 * so that no name leaves the directory and names that differ in case alone differ on every file system; a long part becomes its SHA-256.
 */
export function entryName(service: string, id: string): string {
  return `${fileNamePart(service)}@${fileNamePart(id)}${SUFFIX}`;
}

/** Whether the name can be that of an entry. What else lies in the directory is not ours to look at. */
export function isEntryName(name: string): boolean {
  return name.endsWith(SUFFIX) && !name.startsWith('.');
}

/** A name for a file that is being written or taken away. */
export function temporaryName(): string {
  return `.${randomBytes(12).toString('hex')}.tmp`;
}

export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

/** Whether `a` may take the place of `b`: the same answer in every process. */
export function isLater(a: Pick<FileEntry, 'since' | 'token'>, b: Pick<FileEntry, 'since' | 'token'>): boolean {
  return a.since > b.since || (a.since === b.since && a.token > b.token);
}

export function newToken(): string {
  return randomBytes(16).toString('hex');
}

export function encodeEntry(entry: FileEntry): string {
  return `${JSON.stringify({ ferrule: FORMAT, ...entry }, undefined, 1)}\n`;
}

/** @throws Error saying why the text is no entry that belongs under this name. */
export function decodeEntry(name: string, text: string): FileEntry {
  const raw: unknown = JSON.parse(text);
  if (!isObject(raw) || raw['ferrule'] !== FORMAT) throw new Error(`it is no entry of format ${FORMAT}`);
  const { token, since, owner, expireAfterMs, instance, note } = raw;
  if (typeof token !== 'string' || token === '') throw new Error('token is missing');
  if (typeof since !== 'number' || !Number.isFinite(since)) throw new Error('since is no point in time');
  if (!isObject(owner) || typeof owner['scope'] !== 'string') throw new Error('owner.scope is missing');
  const { scope, pid, startedAt } = owner;
  if (!Number.isSafeInteger(pid) || (pid as number) < 1) throw new Error('owner.pid is no process id');
  if (startedAt !== undefined && typeof startedAt !== 'string') throw new Error('owner.startedAt is no text');
  if (typeof expireAfterMs !== 'number' || !(expireAfterMs > 0)) throw new Error('expireAfterMs is no span of time');
  const checked = checkInstance(instance as Instance);
  if (entryName(checked.service, checked.id) !== name) throw new Error('its service and id belong under another file name');
  return {
    token,
    since,
    owner: { scope, pid: pid as number, ...(startedAt !== undefined && { startedAt }) },
    expireAfterMs,
    instance: checked,
    ...(typeof note === 'string' && { note }),
  };
}

/** A name as a part of a file name: see `entryName`. At most 100 characters. */
export function fileNamePart(part: string): string {
  const encoded = part.replace(/[^a-z0-9_-]/g, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return encoded.length <= LONGEST_NAME ? encoded : `~${createHash('sha256').update(part).digest('hex')}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
