// Ferrule on Fastify 5. Fastify has hooks, no middleware: an app's hooks run before our routes, its own routes win over ours.
import { ServerHost, answered, claimApp, cutShort, followStream, isMalformedPath, nativeHandler, rendered, writeReply } from '@ferrule/core/adapter';
import fastify from 'fastify';

export function fastifyAdapter({ app: adopted } = {}) {
  const app = adopted ?? fastify();
  let mounted;
  // Fastify answers a path that cannot be decoded by itself, before any hook, in a form of its own.
  const listener = (req, res) => {
    if (mounted.errors === 'problem' && isMalformedPath(req.url)) writeReply(res, mounted.fallthrough(res, req.url), req.method);
    else app.routing(req, res);
  };
  const host = new ServerHost(listener, { adopted: adopted !== undefined });
  return {
    name: 'fastify',
    version: '0.1.0',
    mount(mountable) {
      claimApp(app, mountable.name);
      host.mount((mounted = mountable));
      if (!mountable.placed) app.register(routes({ mountable }));
    },
    attach: (server) => host.attach(server),
    listen: (options) => app.ready().then(() => host.listen(options)),
    startDraining: () => host.startDraining(),
    close: (signal) => host.close(signal).then(() => app.close()),
  };
}

/** The service's routes as a plugin: `app.register(routes(service), { prefix: '/api' })`. */
export function routes({ mountable }) {
  mountable.placed = true;
  return async function ferruleRoutes(scope) {
    const isOurs = mountable.errors === 'problem';
    const replies = new WeakMap(); // what a route has made of its error, for the error handler
    const decline = (url, reply) => (isOurs ? send(reply, mountable.fallthrough(reply.raw, url), mountable) : reply.callNotFound());
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null)); // our routes read bodies themselves
    if (isOurs)
      scope.setErrorHandler((error, _request, reply) => send(reply, replies.get(reply.raw) ?? mountable.toReply(error, reply.raw), mountable));
    for (const { method } of mountable.routes.routes) if (!scope.supportedMethods.includes(method)) scope.addHttpMethod(method, { hasBody: true });
    scope.all('/*', async (request, reply) => {
      const { raw: req, body } = request;
      const url = req.url.slice(scope.prefix.length);
      const match = mountable.routes.match(req.method, url);
      if (match === undefined) return decline(url, reply);
      const exchange = { req, res: reply.raw, body, native: { request, reply }, next: () => decline(url, reply) };
      const answer = await match.run(exchange);
      if (answer.sent) exchange.work?.catch((error) => (mountable.brokeOff(error, reply.raw), cutShort(reply.raw)));
      else if (!isOurs || answer.error === undefined || answer.status < 500) return send(reply, answer, mountable);
      else {
        replies.set(reply.raw, answer);
        throw answer.error instanceof Error ? answer.error : new Error('What was thrown is no error', { cause: answer.error });
      }
      return reply;
    });
  };
}

/** A Fastify handler as a route's handler; `next()` declines. */
export function native(handler) {
  return nativeHandler(async (exchange) => {
    const { request, reply } = exchange.native;
    const result = await handler(request, reply, async () => exchange.next());
    if (result !== undefined && result !== reply && !reply.sent) reply.send(result);
  });
}

function send(reply, answer, mountable) {
  const { raw: res, request } = reply;
  if (reply.sent || res.headersSent || res.destroyed) return void writeReply(res, answer, request.method); // taken over, or too late
  const { head, payload, status } = rendered(answer);
  const isStream = typeof payload === 'object' && 'pipe' in payload;
  const isBare = isStream && request.method === 'HEAD'; // Fastify would wait for the stream
  if (isBare) payload.destroy();
  else if (isStream) followStream(payload, res, (error) => mountable.brokeOff(error, res));
  answered(res, status, isStream || payload === undefined ? 0 : head['content-length']);
  const clean = reply.removeHeader('content-type').code(status).headers(head);
  return clean.send(isBare ? null : payload);
}
