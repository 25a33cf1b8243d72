// A real Consul agent and what a bench puts into its catalogue. Writes go around our own client, so that they cost it nothing.
import { Agent, request } from 'node:http';

/** scripts/lib/consul.mjs has the contract. */
export interface BenchAgent {
  readonly address: string;
  start(): Promise<void>;
  kill(signal?: NodeJS.Signals): Promise<void>;
}

interface ConsulLibrary {
  consulBinary(options?: { readonly fetch?: boolean }): Promise<string | undefined>;
  consulAgent(binary: string, options?: { readonly dataDirectory?: string }): Promise<BenchAgent>;
}

const NODES = 20;
/** Operations that Consul takes in one transaction. */
const MOST_OPERATIONS = 64;
const sockets = new Agent({ keepAlive: true, maxSockets: 8 });

/** Started; undefined when there is no Consul here and none can be fetched. With a data directory: a server that keeps it, else a dev agent. */
export async function benchAgent(dataDirectory?: string): Promise<BenchAgent | undefined> {
  const library = (await import(new URL('../../../scripts/lib/consul.mjs', import.meta.url).href)) as ConsulLibrary;
  const binary = await library.consulBinary({ fetch: true });
  if (binary === undefined) return undefined;
  const agent = await library.consulAgent(binary, dataDirectory === undefined ? {} : { dataDirectory });
  await agent.start();
  return agent;
}

export function put(address: string, path: string, body: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    const req = request(`${address}/v1${path}`, { method: 'PUT', agent: sockets }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      res.on('end', () => (res.statusCode === 200 ? resolve() : reject(new Error(`PUT ${path}: ${res.statusCode} ${text}`))));
    });
    req.on('error', reject);
    req.end(JSON.stringify(body));
  });
}

export interface Entry {
  readonly service: string;
  readonly index: number;
  /** Where it listens; what differs from entry to entry is in Meta. */
  readonly port: number;
  readonly meta?: Readonly<Record<string, string>>;
  readonly check?: { readonly status: 'passing' | 'warning' | 'critical'; readonly output?: string };
}

/** As our registry writes them. */
export function operationsOf({ service, index, port, meta = {}, check }: Entry): object[] {
  const ID = `${service}-${index}`;
  const Node = `node-${index % NODES}`;
  const Meta = {
    'ferrule-owner': `1700000000000-${index}`,
    'ferrule-id': ID,
    'ferrule-derived-tags': '2',
    'ferrule-version': '1.2.3',
    'ferrule-zone': 'eu-1',
  };
  const Tags = ['version=1.2.3', 'zone=eu-1'];
  const Service = { ID, Service: service, Address: '127.0.0.1', Port: port, Tags, Meta: { ...Meta, ...meta } };
  const Output = check?.output ?? 'HTTP GET http://127.0.0.1/health/ready?warn=429: 200 OK Output: {"status":"pass"}';
  const Check = { Node, CheckID: `service:${ID}`, Name: 'readiness', Status: check?.status, ServiceID: ID, Output };
  return [{ Service: { Verb: 'set', Node, Service } }, ...(check === undefined ? [] : [{ Check: { Verb: 'set', Check } }])];
}

/** Writes them in transactions, on twenty nodes. */
export async function fill(address: string, entries: readonly Entry[]): Promise<void> {
  const nodes = Array.from({ length: NODES }, (_, index) => ({ Node: { Verb: 'set', Node: { Node: `node-${index}`, Address: '127.0.0.1' } } }));
  const operations: object[] = [...nodes, ...entries.flatMap(operationsOf)];
  for (let from = 0; from < operations.length; from += MOST_OPERATIONS) await put(address, '/txn', operations.slice(from, from + MOST_OPERATIONS));
}
