import { describeWith, scriptLibrary } from './real-server.js';
import type { ServerProcess } from './real-server.js';

/** An agent on ports of its own; scripts/lib/consul.mjs has the contract. */
export interface ConsulAgent extends ServerProcess {
  readonly address: string;
}

interface ConsulLibrary {
  consulBinary(): Promise<string | undefined>;
  consulAgent(binary: string, options?: { readonly dataDirectory?: string; readonly hcl?: string }): Promise<ConsulAgent>;
}

const library = await scriptLibrary<ConsulLibrary>('consul');
const binary = await library.consulBinary();

export const describeWithConsul = describeWith('Consul', 'consul', binary);

export function newAgent(options: { readonly dataDirectory?: string; readonly hcl?: string } = {}): Promise<ConsulAgent> {
  return library.consulAgent(binary!, options);
}

/** What the agent says of itself, for what a registry does not show. */
export async function agentSays<T>(agent: { readonly address: string }, path: string, method = 'GET', body?: object): Promise<T> {
  const response = await fetch(`${agent.address}/v1${path}`, { method, ...(body !== undefined && { body: JSON.stringify(body) }) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** Takes every service away, as at the beginning. */
export async function wipe(agent: { readonly address: string }): Promise<void> {
  for (const id of Object.keys(await agentSays<object>(agent, '/agent/services'))) {
    await agentSays(agent, `/agent/service/deregister/${encodeURIComponent(id)}`, 'PUT');
  }
  // The catalogue follows the agent; `consul` itself stays.
  while (Object.keys(await agentSays<object>(agent, '/catalog/services')).length > 1);
}
