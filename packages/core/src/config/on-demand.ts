import type { ConfiguredParts } from './configured-parts.js';
import type { FromConfigOptions } from './from-config.js';
import type { Config, ConfigSource, LoadOptions } from './load-config.js';

// The schema of everything is a fifth of core. Who reads no configuration does not load it.

/**
 * Reads a configuration: files (YAML by the package `yaml`, which has to be installed for it), objects, or several, of which the later
 * ones add to the earlier ones and override them; last come environment variables. Everything is checked that can be without opening anything.
 * @throws ConfigError with everything that is wrong; TypeError for an option that does not fit
 */
export async function loadConfig(source: ConfigSource | readonly ConfigSource[], options?: LoadOptions): Promise<Config> {
  const { loadConfig: load } = await import('./load-config.js');
  return load(source, options);
}

/**
 * Makes what a configuration stands for. Options come before what it says.
 * @throws ConfigError with everything that is wrong: in the configuration, and with the packages that it names
 */
export async function fromConfig(source: Config | ConfigSource | readonly ConfigSource[], options?: FromConfigOptions): Promise<ConfiguredParts> {
  const { fromConfig: make } = await import('./from-config.js');
  return make(source, options);
}
