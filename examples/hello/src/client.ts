import { client, fileRegistry } from '@ferrule/core';

const greeter = client('greeter', { registry: fileRegistry() });
const answer = await greeter.get<{ hello: string }>('/hello/:name', { params: { name: 'Ada' } });
console.log(answer); // { hello: 'Ada' }
await greeter[Symbol.asyncDispose]();
