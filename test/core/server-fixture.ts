import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Route } from '@ferrule/core';
import { createMountable, writeReply } from '@ferrule/core/adapter';
import type { MountableOptions } from '@ferrule/core/adapter';
import { rawConnection, rawRequest, requestBytes } from '@ferrule/testing';
import type { RawConnection, RawReply } from '@ferrule/testing';

type Headers = Readonly<Record<string, string | readonly string[]>>;

/** Routes on Node's own server: the inbound half without any framework. */
export interface Bare {
  ask(method: string, target: string, headers?: Headers, body?: string | Uint8Array): Promise<RawReply>;
  connect(): Promise<RawConnection>;
  /** What failed after the headers of a reply. */
  readonly reported: unknown[];
}

export function bareServers(): { serve(routes: readonly Route[], options?: Partial<MountableOptions>): Promise<Bare>; close(): void } {
  const servers: Server[] = [];
  return {
    async serve(routes, options = {}) {
      const mountable = createMountable({ name: 'bare', routes, health: () => false, ...options });
      const reported: unknown[] = [];
      const server = createServer((req, res) => {
        const method = req.method!;
        const match = mountable.routes.match(method, req.url!);
        if (match === undefined) return writeReply(res, mountable.fallthrough(res, req.url!), method);
        void match.run({ req, res }).then((reply) => writeReply(res, reply, method, (error) => reported.push(error)));
      });
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const target = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
      return {
        ask: (...parts) => rawRequest(target, requestBytes(...parts)),
        connect: () => rawConnection(target),
        reported,
      };
    },
    close() {
      for (const server of servers.splice(0)) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}
