import type { Suite } from 'mocha';

/** An agent on ports of its own; scripts/lib/consul.mjs has the contract. */
export interface ConsulAgent {
  readonly address: string;
  start(): Promise<void>;
  kill(signal?: NodeJS.Signals): Promise<void>;
}

interface ConsulLibrary {
  consulBinary(): Promise<string | undefined>;
  consulAgent(binary: string, options?: { readonly dataDirectory?: string; readonly hcl?: string }): Promise<ConsulAgent>;
}

const library = (await import(new URL('../../../scripts/lib/consul.mjs', import.meta.url).href)) as ConsulLibrary;
const binary = await library.consulBinary();

/** A suite that needs a real agent. Where there is none it is pending and says why; in CI that is a failure. */
export function describeWithConsul(title: string, body: (this: Suite) => void): void {
  if (binary !== undefined) {
    describe(title, function () {
      this.timeout(30_000); // processes start, and Consul looks once a second at most
      body.call(this);
    });
  } else if (process.env['CI'] === 'true') {
    it(title, () => {
      throw new Error('There is no Consul: the step that fetches it (node scripts/consul.mjs --fetch) has failed');
    });
  } else {
    describe.skip(`${title} (there is no Consul: npm run consul -- --fetch brings one into .cache)`, body);
  }
}

export function newAgent(options: { readonly dataDirectory?: string; readonly hcl?: string } = {}): Promise<ConsulAgent> {
  return library.consulAgent(binary!, options);
}

/** What the agent says of itself, for what a registry does not show. */
export async function agentSays<T>(agent: ConsulAgent, path: string, method = 'GET'): Promise<T> {
  const response = await fetch(`${agent.address}/v1${path}`, { method });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** Takes every service away, as at the beginning. */
export async function wipe(agent: ConsulAgent): Promise<void> {
  for (const id of Object.keys(await agentSays<object>(agent, '/agent/services'))) {
    await agentSays(agent, `/agent/service/deregister/${encodeURIComponent(id)}`, 'PUT');
  }
  // The catalogue follows the agent; `consul` itself stays.
  while (Object.keys(await agentSays<object>(agent, '/catalog/services')).length > 1);
}
