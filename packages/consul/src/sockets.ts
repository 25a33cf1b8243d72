/** What the connections of a registry are for. */
export interface Sockets {
  /** Questions that are answered at once, and registrations. */
  readonly brief: number;
  /** Questions about services that are held open. */
  readonly places: number;
  /** Questions about own entries that are held open. */
  readonly vigils: number;
  /** Questions about all services that are held open. */
  readonly detector: number;
}

/** Of one registry, with all that it does: Consul counts the connections of one address, and closes those beyond its limit. */
export function socketsOf(maxSockets: number): Sockets {
  const brief = Math.floor(maxSockets / 4);
  const vigils = maxSockets >= 12 ? 2 : maxSockets >= 8 ? 1 : 0;
  const detector = 2;
  return { brief, vigils, detector, places: maxSockets - brief - vigils - detector };
}
