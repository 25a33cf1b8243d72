import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Which process wrote an entry, in terms by which another one can tell that it is dead. */
export interface ProcessOwner {
  /** Where `pid` means something: boot and pid namespace on Linux, the host name elsewhere. */
  readonly scope: string;
  readonly pid: number;
  /** When it started, clock ticks since the boot (Linux only): a pid is used again, together with this it is not. */
  readonly startedAt?: string;
}

/** `unknown`: it lives in another container or on another machine, and only its heartbeat can tell. */
export type ProcessState = 'alive' | 'dead' | 'unknown';

/** This process, as an owner. */
export function thisProcess(): ProcessOwner {
  const startedAt = statOf(process.pid)?.startedAt;
  return { scope: scopeHere(), pid: process.pid, ...(startedAt !== undefined && { startedAt }) };
}

/** What is certain about the owner, seen from the process `self`. A killed process that its parent has not collected yet (a zombie) is dead. */
export function stateOf(owner: ProcessOwner, self: ProcessOwner): ProcessState {
  if (owner.scope !== self.scope) return 'unknown';
  if (owner.pid === self.pid) return owner.startedAt === self.startedAt ? 'alive' : 'dead';
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: it is there and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'dead';
  }
  if (owner.startedAt === undefined) return 'alive';
  const stat = statOf(owner.pid);
  if (stat === undefined) return 'alive';
  return stat.startedAt === owner.startedAt && stat.state !== 'Z' && stat.state !== 'X' ? 'alive' : 'dead';
}

function scopeHere(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return `host ${hostname()}`;
  }
}

/** Fields 3 and 22 of proc_pid_stat(5). The second field is the program's name in brackets and may itself hold blanks and brackets. */
function statOf(pid: number): { readonly state: string; readonly startedAt: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === undefined || fields[19] === undefined ? undefined : { state: fields[0], startedAt: fields[19] };
  } catch {
    return undefined;
  }
}
