import type { Level, Note } from '../decorators/notes.js';
import type { VerbNote } from './controller-decorators.js';

/** What one member says of itself. */
export interface Member {
  readonly key: string | symbol;
  verbs: Note[];
  parameters: Note[];
  readonly others: Note[];
}

/**
 * Members in the order in which they are first written. What a derived class says of one is added to what it inherits, but its verbs and its
 * parameters take the place of inherited ones.
 */
export function membersOf(levels: readonly Level[]): readonly Member[] {
  const members = new Map<string | symbol, Member>();
  for (const { notes } of levels) {
    const fresh = new Map<string | symbol, { verbs: Note[]; parameters: Note[] }>();
    for (const note of notes) {
      if (note.key === undefined) continue;
      let member = members.get(note.key);
      if (member === undefined) members.set(note.key, (member = { key: note.key, verbs: [], parameters: [], others: [] }));
      let own = fresh.get(note.key);
      if (own === undefined) fresh.set(note.key, (own = { verbs: [], parameters: [] }));
      if (note.place === 'parameter') own.parameters.push(note);
      else if (isVerb(note.value)) own.verbs.push(note);
      else member.others.push(note);
    }
    for (const [key, { verbs, parameters }] of fresh) {
      const member = members.get(key)!;
      if (verbs.length > 0) member.verbs = verbs;
      if (verbs.length > 0 || parameters.length > 0) member.parameters = parameters;
    }
  }
  return [...members.values()];
}

function isVerb(value: unknown): value is VerbNote {
  return typeof value === 'object' && value !== null && 'verb' in value;
}
