import { createDirectory } from '../discovery/create-directory.js';
import { directorySettings } from '../discovery/directory-options.js';
import type { DirectoryOptions } from '../discovery/directory-options.js';
import type { Directory } from '../discovery/directory.js';
import { checkWarmUp } from '../discovery/warm-up.js';
import type { Logger } from '../logging/logger.js';
import type { Registry } from '../registry/registry.js';
import { shown } from '../options/shown.js';
import type { Clock } from '../time/clock.js';

/** Of the directory that the clients of a service share; its lists come from the service's registry. */
export interface DiscoveryOptions extends Omit<DirectoryOptions, 'discovery' | 'logger' | 'clock' | 'random'> {
  /**
   * Services to be known by the time the service is ready, ten at a time. `start` waits for them for at most 2 s; what cannot be known is logged
   * and does not keep it from starting. Default none.
   */
  readonly warmUp?: readonly string[];
}

export interface ServiceDiscoveryOptions {
  readonly registry: Registry | undefined;
  /** Takes the place of a directory of its own. */
  readonly directory: Directory | undefined;
  readonly options: DiscoveryOptions | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** Hears of the directory once it is in use. */
  readonly onUse: (directory: Directory) => void;
}

/** The directory of a service, made when it is first needed. */
export class ServiceDiscovery {
  readonly #given: ServiceDiscoveryOptions;
  readonly #directoryOptions: DirectoryOptions | undefined;
  readonly #warmUp: readonly string[];
  #own: Directory | undefined;
  #used: Directory | undefined;

  /** @throws TypeError for an option that does not fit. */
  constructor(given: ServiceDiscoveryOptions) {
    const { registry, directory, options = {}, clock, random, logger } = given;
    if (typeof options !== 'object' || options === null)
      throw new TypeError(`createService discovery: ${shown(options)} is no options object. Give one, such as { store: fileStore() }.`);
    const { warmUp = [], ...rest } = options;
    if (given.options !== undefined) {
      checkWarmUp(warmUp, {}, 'createService discovery.warmUp');
      if (registry === undefined && directory === undefined)
        throw new TypeError('createService discovery: there is no registry to discover anything in. Give registry, such as fileRegistry().');
      if (directory !== undefined && Object.keys(rest).length > 0)
        throw new TypeError(
          `createService discovery: a directory was given, and ${Object.keys(rest)[0]} would have no effect on it. Give the option to createDirectory().`,
        );
    }
    this.#given = given;
    this.#warmUp = warmUp;
    if (registry !== undefined) this.#directoryOptions = { ...rest, discovery: registry, clock, random, logger };
    if (given.options !== undefined && this.#directoryOptions !== undefined) directorySettings(this.#directoryOptions, 'createService discovery');
  }

  /** The directory of this service's clients; undefined when there is neither registry nor directory. */
  get directory(): Directory | undefined {
    if (this.#used !== undefined) return this.#used;
    const { directory, onUse } = this.#given;
    if (directory === undefined && this.#directoryOptions !== undefined) this.#own = createDirectory(this.#directoryOptions);
    this.#used = directory ?? this.#own;
    if (this.#used !== undefined) onUse(this.#used);
    return this.#used;
  }

  /** As it is now; undefined before it was used. */
  describe(): ReturnType<Directory['stats']> | undefined {
    return this.#used?.stats();
  }

  /** undefined when there is nothing to warm up. Never rejects. */
  warmUp(): Promise<void> | undefined {
    const { logger } = this.#given;
    const { directory } = this.#warmUp.length === 0 ? {} : this;
    return directory?.warmUp(this.#warmUp).then(
      ({ known, failed }) => {
        if (failed.length > 0) logger.warn({ known: known.length, failed }, 'Some services are not known yet; they are asked about on');
      },
      (error: unknown) => logger.warn({ error }, 'The services could not be warmed up'),
    );
  }

  /** Closes the directory if it is of its own making. */
  async close(): Promise<void> {
    await this.#own?.[Symbol.asyncDispose]();
  }
}
