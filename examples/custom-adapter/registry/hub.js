// The backend: a hub that keeps instances in memory. Three requests (PUT, POST, DELETE) to write, two (GET) to read.
import { once } from 'node:events';
import { createServer } from 'node:http';

/** Starts a hub. An entry that nobody renews for `ttlMs` is taken away. */
export async function startHub({ host = '127.0.0.1', port = 0, ttlMs = 15_000 } = {}) {
  const entries = new Map(); // by service and id
  const watchers = new Set();
  const listOf = (service) => [...entries.values()].filter((entry) => entry.instance.service === service).map((entry) => entry.instance);
  const tell = (service) => watchers.forEach((one) => one.service === service && one.res.write(`${JSON.stringify(listOf(service))}\n`));
  const remove = (key) => {
    const entry = entries.get(key);
    clearTimeout(entry?.timer);
    if (entries.delete(key)) tell(entry.instance.service);
  };
  const keep = (key, entry) => {
    clearTimeout(entry.timer);
    entry.timer = setTimeout(remove, ttlMs, key).unref();
  };
  const write = { put, renew, remove: drop };
  function put(key, { instance, owner, takeOver }) {
    const present = entries.get(key);
    if (present !== undefined && present.owner !== owner && !takeOver) return 'taken';
    clearTimeout(present?.timer);
    const entry = { instance, owner };
    entries.set(key, entry);
    keep(key, entry);
    tell(instance.service);
    return 'kept';
  }
  function renew(key, { owner }) {
    const present = entries.get(key);
    if (present === undefined) return 'gone';
    if (present.owner !== owner) return 'taken';
    keep(key, present);
    return 'kept';
  }
  function drop(key, { owner }) {
    if (entries.get(key)?.owner === owner) remove(key);
    return 'gone';
  }

  const server = createServer((req, res) => void answer(req, res).catch(() => (res.headersSent ? res.destroy() : res.writeHead(400).end())));
  async function answer(req, res) {
    const { pathname, searchParams } = new URL(req.url, 'http://hub');
    const service = searchParams.get('service');
    if (pathname === '/services') {
      res.end(JSON.stringify([...new Set([...entries.values()].map((entry) => entry.instance.service))].toSorted((a, b) => (a < b ? -1 : 1))));
    } else if (pathname === '/watch') {
      const watcher = { service, res };
      watchers.add(watcher);
      res.on('close', () => watchers.delete(watcher));
      res.write(`${JSON.stringify(listOf(service))}\n`);
    } else if (Object.hasOwn(write, pathname.slice(1))) {
      const body = JSON.parse((await req.toArray()).join(''));
      const { service: name, id } = body.instance;
      res.end(write[pathname.slice(1)](JSON.stringify([name, id]), body));
    } else res.writeHead(404).end();
  }
  server.listen(port, host);
  await once(server, 'listening');
  return {
    url: `http://${host}:${server.address().port}`,
    close: () => new Promise((resolve) => (server.close(resolve), server.closeAllConnections())),
  };
}
