// One upstream of the bench: `node node.js <http|grpc|moleculer> <id> <port> <peers manifest> [port of every node]`. Takes 2 ms a call; misbehaves when told.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { setTimeout as wait } from 'node:timers/promises';
import type { AddressInfo } from 'node:net';
import { grpcMethod, nodeUrls } from './protocol.js';
import type { Fault, FromNode, Grpc, Moleculer, ToNode } from './protocol.js';

const [kind, id, portText, manifest, ports] = process.argv.slice(2) as [string, string, string, string, string];
let workMs = 2;
let atOnce = Infinity;
let running = 0;
const queue: (() => void)[] = [];
let fault: Fault = 'none';
let hits = 0;

/** Takes the time of an answer; false: answer that we are unavailable. */
async function work(): Promise<boolean> {
  hits++;
  if (fault === 'unavailable') return false;
  if (fault === 'hang') await new Promise(() => {});
  if (running >= atOnce) await new Promise<void>((resolve) => queue.push(resolve));
  running++;
  await wait(fault === 'slow' ? 200 : workMs);
  running--;
  queue.shift()?.();
  return true;
}

/** Blocks the event loop for a second, lets it run for another, and again. */
function stall(): void {
  if (fault !== 'stalls') return;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
  setTimeout(stall, 1_000);
}

async function http(): Promise<number> {
  const server = createServer((req, res) => {
    if (req.url === '/events') {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write(': open\n\n');
      return;
    }
    void work().then((well) => {
      res.writeHead(well ? 200 : 503, { 'content-type': 'application/json' });
      res.end(well ? '{"ok":true}' : '{"ok":false}');
    });
  });
  await new Promise<void>((resolve) => server.listen(Number(portText), '127.0.0.1', resolve));
  // What a plain service does at the end: finish what is under way, take nothing new.
  process.once('SIGTERM', () => server.close(() => process.exit()));
  return (server.address() as AddressInfo).port;
}

async function grpc(): Promise<number> {
  const library = createRequire(manifest)('@grpc/grpc-js') as Grpc;
  const server = new library.Server();
  server.addService(grpcMethod, {
    ask(_call, answer) {
      void work().then((well) => (well ? answer(null, Buffer.from('ok')) : answer({ code: library.status.UNAVAILABLE, details: 'out of order' })));
    },
  });
  return new Promise((resolve, reject) => {
    process.once('SIGTERM', () => server.tryShutdown(() => process.exit()));
    server.bindAsync(`127.0.0.1:${portText}`, library.ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port)));
  });
}

async function moleculer(): Promise<number> {
  const { ServiceBroker, Errors } = createRequire(manifest)('moleculer') as Moleculer;
  const broker = new ServiceBroker({
    nodeID: id,
    logger: false,
    transporter: { type: 'TCP', options: { udpDiscovery: false, port: Number(portText), urls: nodeUrls(ports.split(',').map(Number)) } },
  });
  broker.createService({
    name: 'bench',
    actions: {
      async ask() {
        if (await work()) return { ok: true };
        throw new Errors.MoleculerRetryableError('out of order', 503, 'OUT_OF_ORDER');
      },
    },
  });
  await broker.start();
  return Number(portText);
}

process.on('message', (message: ToNode) => {
  if (message.type === 'fault') {
    fault = message.fault;
    if (fault === 'stalls') stall();
  }
  if (message.type === 'speed') ({ workMs, atOnce } = message);
  process.send!({ type: 'hits', hits } satisfies FromNode);
});
process.on('disconnect', () => process.exit());
process.send!({ type: 'ready', port: await (kind === 'http' ? http() : kind === 'grpc' ? grpc() : moleculer()) } satisfies FromNode);
