import type { EndpointReport } from './messages.js';

/** Tells in words who comes into the gateway's list of instances and who leaves it. */
export class Membership {
  readonly #say: (text: string) => void;
  #known: ReadonlySet<string> | undefined;

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  see(reports: readonly EndpointReport[]): void {
    const now = new Set(reports.map((report) => report.instance));
    const before = this.#known;
    this.#known = now;
    if (before === undefined) return;
    for (const name of before) if (!now.has(name)) this.#say(`the gateway does not see ${name} any more`);
    for (const name of now) if (!before.has(name)) this.#say(`the gateway sees ${name}`);
  }
}
