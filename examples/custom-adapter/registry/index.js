// A registry on the hub of hub.js. What is ours: five requests. Keeping an entry alive, retries and slow readers are core's.
import { randomUUID } from 'node:crypto';
import { ServiceError, silentLogger } from '@ferrule/core';
import { checkInstance, checkServiceName, keeper, newest, sameInstance, systemClock } from '@ferrule/core/adapter';

export { startHub } from './hub.js';

export function hubRegistry({ url, renewEveryMs = 5_000, clock = systemClock, random = Math.random, logger = silentLogger }) {
  const registrations = new Map(); // by service and id
  const watches = new Set();
  let closed = false;
  const open = () => {
    if (closed) throw new ServiceError('UNAVAILABLE', 'The hub registry is closed; make a new one', { retryable: false });
  };
  const ask = async (path, init) => {
    try {
      const response = await fetch(new URL(path, url), init);
      if (!response.ok) throw new Error(`The hub answered ${response.status}`);
      return response;
    } catch (error) {
      init?.signal?.throwIfAborted();
      throw new ServiceError('UNAVAILABLE', `The hub at ${url} cannot be reached`, { cause: error });
    }
  };
  const post = async (path, body) => (await ask(path, { method: 'POST', body: JSON.stringify(body) })).text();

  return {
    name: 'hub',
    version: '0.1.0',
    async register(given, { signal, onRetry } = {}) {
      open();
      signal?.throwIfAborted();
      let instance = checkInstance(given);
      const owner = randomUUID();
      const key = JSON.stringify([instance.service, instance.id]);
      let isFirst = true;
      const entry = {
        async put(current) {
          await post('/put', { instance: (instance = current), owner, takeOver: isFirst });
          isFirst = false;
        },
        renew: () => post('/renew', { instance, owner }),
        async remove() {
          await post('/remove', { instance, owner });
          if (registrations.get(key) === registration) registrations.delete(key);
        },
      };
      const after = registrations.get(key)?.release();
      const registration = keeper(instance, entry, { everyMs: renewEveryMs, clock, random, logger, onRetry, after });
      registrations.set(key, registration);
      await registration.begin(signal);
      return registration;
    },
    watch(service, signal) {
      checkServiceName(service);
      return newest(signal, (sink) => {
        open();
        const ending = new AbortController();
        const fail = (error) => (watches.delete(fail), ending.abort(), sink.fail(error));
        watches.add(fail);
        readLists(service, ending.signal, sink).catch(fail);
        return () => (watches.delete(fail), ending.abort());
      });
    },
    async services(signal) {
      open();
      return (await ask('/services', { signal })).json();
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      for (const fail of watches) fail(new ServiceError('UNAVAILABLE', 'The hub registry was closed'));
      await Promise.all([...registrations.values()].map((registration) => registration.deregister()));
      registrations.clear();
    },
  };

  /** One whole list a line, for as long as the hub lives. What did not change keeps its object; a list that says nothing new is passed over. */
  async function readLists(service, signal, sink) {
    const { body } = await ask(`/watch?service=${encodeURIComponent(service)}`, { signal });
    let known;
    let text = '';
    for await (const piece of body.pipeThrough(new TextDecoderStream())) {
      const lines = (text + piece).split('\n');
      text = lines.pop();
      for (const line of lines) {
        const list = JSON.parse(line).map((one) =>
          known?.has(one.id) && sameInstance(known.get(one.id), one) ? known.get(one.id) : checkInstance(one),
        );
        if (known?.size === list.length && list.every((one) => known.get(one.id) === one)) continue;
        known = new Map(list.map((one) => [one.id, one]));
        sink.push(Object.freeze(list.toSorted((a, b) => (a.id < b.id ? -1 : 1))));
      }
    }
    throw new ServiceError('UNAVAILABLE', `The hub at ${url} has ended the watch`);
  }
}
