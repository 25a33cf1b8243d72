import { createHash } from 'node:crypto';

/*
 * Consul's names are narrower than ours. It compares the ids of services without case, an id belongs to one service of an agent, and both
 * stand in paths that its server cleans of `.`, `..` and empty pieces.
 */

/** The id of an instance at the agent: its own where that says the service and is plain, else a readable one with a hash. The true id is in Meta. */
export function consulId(service: string, id: string): string {
  if (id.startsWith(`${service}-`) && /^[a-z0-9_.-]{1,200}$/.test(id)) return id;
  const plain = (text: string): string =>
    text
      .toLowerCase()
      .replaceAll(/[^a-z0-9_-]+/g, '-')
      .slice(0, 60);
  const hash = createHash('sha256').update(`${service}\0${id}`).digest('hex').slice(0, 16);
  return `${plain(service)}-${plain(id)}-${hash}`;
}

/** A service's name at the agent: the same, unless its server would take it for another path. */
export function consulName(service: string): string {
  const survives = !service.startsWith('~') && service.split('/').every((piece) => piece !== '' && piece !== '.' && piece !== '..');
  return survives ? service : `~${service.replaceAll(/[^A-Za-z0-9_-]/g, (one) => `~${one.charCodeAt(0).toString(16).padStart(2, '0')}`)}`;
}

/** The service of a name at the agent. */
export function serviceOf(name: string): string {
  if (!name.startsWith('~')) return name;
  return name.slice(1).replaceAll(/~([0-9a-f]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
