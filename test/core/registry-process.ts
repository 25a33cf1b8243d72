// A process with a file registry, told by lines on stdin what to do: `register <json of an instance>`, `deregister <id>`, `report <id> <status>`,
// `block <ms>`. It answers each with a line on stdout: milliseconds since the epoch, then the line. Ends with its stdin.
import { createInterface } from 'node:readline';
import { fileRegistry } from '@ferrule/core';
import type { FileRegistryOptions, Instance, InstanceStatus, Registration } from '@ferrule/core';

const registry = fileRegistry(JSON.parse(process.argv[2]!) as FileRegistryOptions);
const registrations = new Map<string, Registration>();

async function obey(line: string): Promise<void> {
  const [verb, ...rest] = line.split(' ');
  if (verb === 'register') {
    const instance = JSON.parse(rest.join(' ')) as Instance;
    registrations.set(instance.id, await registry.register(instance));
  } else if (verb === 'deregister') {
    await registrations.get(rest[0]!)?.deregister();
  } else if (verb === 'report') {
    await registrations.get(rest[0]!)?.report(rest[1] as InstanceStatus);
  } else if (verb === 'block') {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(rest[0]));
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const began = performance.timeOrigin + performance.now();
  await obey(line);
  process.stdout.write(`${began} ${line}\n`);
}
await registry[Symbol.asyncDispose]();
