import { connect } from 'node:net';
import type { Socket } from 'node:net';

/**
 * Sends `total` GET requests over `connections` keep-alive sockets, one in flight on each, cycling through `paths`; all are answered with `status`.
 * Reads no more of an answer than its length, so that the load process costs less than the server.
 */
export async function load(port: number, paths: readonly string[], total: number, connections = 32, status = 200): Promise<void> {
  const requests = paths.map((path) => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`));
  let sent = 0;
  await Promise.all(Array.from({ length: connections }, () => one()));

  async function one(): Promise<void> {
    const socket: Socket = connect(port, '127.0.0.1').setNoDelay(true);
    await new Promise<void>((resolve, reject) => {
      let buffered = '';
      const next = (): void => {
        if (sent >= total) {
          socket.end();
          resolve();
        } else {
          socket.write(requests[sent++ % requests.length]!);
        }
      };
      socket.on('error', reject);
      socket.on('connect', next);
      socket.on('data', (chunk: Buffer) => {
        buffered += chunk.toString('latin1');
        const head = buffered.indexOf('\r\n\r\n');
        if (head < 0) return;
        const length = /content-length: (\d+)/i.exec(buffered.slice(0, head));
        if (!buffered.startsWith(`HTTP/1.1 ${status}`) || length === null) return reject(new Error(`unexpected answer: ${buffered.slice(0, 200)}`));
        if (buffered.length < head + 4 + Number(length[1])) return;
        buffered = '';
        next();
      });
    });
  }
}
