import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { expect } from 'chai';
import type { Address, ListenOptions } from '@ferrule/core';
import { rawConnection, rawRequest, requestBytes } from '@ferrule/testing';
import type { RawConnection } from '@ferrule/testing';

/** What drains: a ServerHost, or an adapter on top of one. */
export interface Drains {
  listen(options?: ListenOptions): Promise<Address>;
  startDraining(): void;
  close(signal?: AbortSignal): Promise<void>;
}

/**
 * The app below: `GET /large` answers with `LARGE` bytes; `GET /quick` answers at once; `/slow` says that it was entered and answers when it is told to; `/stream` sends its headers and
 * `first`, and ends with `last` when it is told to.
 */
export class Work {
  readonly #entered: (() => void)[] = [];
  readonly #waiting: (() => void)[] = [];
  #count = 0;

  /** The handler of `/slow` waits here. */
  hold(): Promise<void> {
    this.#count++;
    this.#entered.shift()?.();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when one more handler holds. */
  entered(): Promise<void> {
    if (this.#count > 0) {
      this.#count--;
      return Promise.resolve();
    }
    return new Promise((resolve) =>
      this.#entered.push(() => {
        this.#count--;
        resolve();
      }),
    );
  }

  /** Lets all that hold go on. */
  release(): void {
    for (const go of this.#waiting.splice(0)) go();
  }

  /** What `/large` answers, at once. */
  large(): Buffer {
    this.#count++;
    this.#entered.shift()?.();
    return Buffer.alloc(LARGE, 'x');
  }

  /** The handler of `/stream`. */
  async stream(res: ServerResponse): Promise<void> {
    res.write('first ');
    await this.hold();
    res.end('last');
  }
}

/** More than what the system buffers between two sockets. */
export const LARGE: number = 20_000_000;

const KEEP_ALIVE = { connection: 'keep-alive' };

/** The five traps of Node that a drain has to get around, and what belongs to them; each on real sockets. */
export function drainCases(name: string, make: (work: Work) => Drains): void {
  describe(`drain on ${name}`, () => {
    let work: Work;
    let subject: Drains;
    let address: Address;
    let connections: RawConnection[];
    const open = async (): Promise<RawConnection> => {
      const connection = await rawConnection(address);
      connections.push(connection);
      return connection;
    };
    const opened = async (target: string): Promise<RawConnection> => {
      const connection = await open();
      connection.send(requestBytes('GET', target, KEEP_ALIVE));
      return connection;
    };

    beforeEach(async () => {
      work = new Work();
      subject = make(work);
      connections = [];
      address = await subject.listen({ host: '127.0.0.1' });
    });
    afterEach(async () => {
      work.release();
      for (const connection of connections) connection.destroy();
      await subject.close(AbortSignal.abort());
    });

    it('completes a slow reply, says Connection: close in it, and closes its connection', async () => {
      const client = await opened('/slow');
      await work.entered();
      const closed = subject.close();
      work.release();
      const reply = await client.reply();
      expect([reply.status, reply.text, reply.complete, reply.header('connection')]).to.deep.equal([200, 'slow', true, 'close']);
      await client.closed;
      await closed;
    });

    it('completes a streaming reply whose headers have promised keep-alive, and closes its connection', async () => {
      const client = await opened('/stream');
      const head = await client.head();
      expect([head.status, head.header('connection')]).to.deep.equal([200, 'keep-alive']);
      await work.entered();
      const closed = subject.close();
      work.release();
      let text = '';
      for (let chunk = await client.chunk(); chunk !== undefined; chunk = await client.chunk()) text += chunk.toString();
      expect(text).to.equal('first last');
      await client.closed;
      await closed;
    });

    it('closes idle connections and such as have sent nothing, without waiting for the deadline', async () => {
      const fresh = await open();
      const idle = await opened('/quick');
      expect((await idle.reply()).header('connection')).to.equal('keep-alive');
      const closed = subject.close();
      await Promise.all([fresh.closed, idle.closed, closed]);
    });

    it('cuts half-sent headers and a half-sent body at the deadline, and not before', async () => {
      const headers = await open();
      headers.send('GET /quick HTTP/1.1\r\nHost: a\r\nX-Ha');
      const body = await open();
      body.send('POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n');
      expect(await body.interim()).to.equal(100);
      body.send('half');
      const idle = await opened('/quick');
      await idle.reply();
      const deadline = new AbortController();
      const closed = subject.close(deadline.signal);
      await idle.closed; // the sweep has run
      const fresh = await rawConnection(address).catch((error: NodeJS.ErrnoException) => error.code);
      expect(fresh).to.equal('ECONNREFUSED');
      expect([headers.socket.closed, body.socket.closed]).to.deep.equal([false, false]);
      deadline.abort();
      await Promise.all([headers.closed, body.closed, closed]);
    });

    it('tells keep-alive clients Connection: close from startDraining on, and still serves new connections', async () => {
      const old = await opened('/quick');
      expect((await old.reply()).header('connection')).to.equal('keep-alive');
      subject.startDraining();
      old.send(requestBytes('GET', '/quick', KEEP_ALIVE));
      const last = await old.reply();
      expect([last.status, last.header('connection')]).to.deep.equal([200, 'close']);
      await old.closed;
      const late = await rawRequest(address, requestBytes('GET', '/quick', KEEP_ALIVE));
      expect([late.status, late.header('connection')]).to.deep.equal([200, 'close']);
    });

    it('answers the request that comes on a kept connection after close, and then closes it', async () => {
      const client = await opened('/stream');
      await client.head();
      await work.entered();
      const closed = subject.close();
      client.send(requestBytes('GET', '/quick', KEEP_ALIVE)); // pipelined behind the stream
      work.release();
      for (let chunk = await client.chunk(); chunk !== undefined;) chunk = await client.chunk();
      const second = await client.reply();
      expect([second.status, second.header('connection')]).to.deep.equal([200, 'close']);
      await client.closed;
      await closed;
    });

    it('loses no reply of pipelined requests that were begun: the last one alone says Connection: close', async () => {
      const client = await open();
      client.send(Buffer.concat([1, 2, 3].map(() => requestBytes('GET', '/slow', KEEP_ALIVE))));
      for (let entered = 0; entered < 3; entered++) await work.entered();
      const closed = subject.close();
      work.release();
      const replies = [await client.reply(), await client.reply(), await client.reply()];
      expect(replies.map((reply) => [reply.text, reply.complete, reply.header('connection')])).to.deep.equal([
        ['slow', true, 'keep-alive'],
        ['slow', true, 'keep-alive'],
        ['slow', true, 'close'],
      ]);
      await client.closed;
      await closed;
    });

    it('gives the last word to a request that comes behind those in flight while it drains', async () => {
      const client = await opened('/slow');
      await work.entered();
      subject.startDraining();
      client.send(requestBytes('GET', '/slow', KEEP_ALIVE));
      await work.entered();
      work.release();
      expect([(await client.reply()).header('connection'), (await client.reply()).header('connection')]).to.deep.equal(['keep-alive', 'close']);
      await client.closed;
    });

    it('begins nothing that comes behind a reply that has said Connection: close', async () => {
      subject.startDraining();
      const client = await opened('/stream');
      expect((await client.head()).header('connection')).to.equal('close');
      await work.entered();
      client.send(requestBytes('GET', '/slow', KEEP_ALIVE));
      let begun = false;
      void work.entered().then(() => (begun = true));
      await rawRequest(address, requestBytes('GET', '/quick')); // the server has read what was sent before
      work.release();
      for (let chunk = await client.chunk(); chunk !== undefined;) chunk = await client.chunk();
      await client.closed;
      expect(begun).to.equal(false);
    });

    it('completes a reply that was ended but whose client has not read it all yet', async () => {
      const client = await opened('/large');
      client.socket.pause();
      await work.entered();
      const closed = subject.close();
      const idle = await rawConnection(address).catch((error: NodeJS.ErrnoException) => error.code);
      expect(idle).to.equal('ECONNREFUSED'); // it has closed what it took for idle
      client.socket.resume();
      const reply = await client.reply();
      expect([reply.complete, reply.text.length]).to.deep.equal([true, LARGE]);
      await closed;
    });

    it('completes an upload that is under way, and says Connection: close in its reply', async () => {
      const client = await open();
      client.send('POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n');
      expect(await client.interim()).to.equal(100);
      client.send('first');
      const idle = await opened('/quick');
      await idle.reply();
      const closed = subject.close();
      await idle.closed; // the sweep has run
      client.send('other');
      const reply = await client.reply();
      expect([reply.status, reply.text, reply.complete, reply.header('connection')]).to.deep.equal([200, 'read', true, 'close']);
      await client.closed;
      await closed;
    });

    it('does not wait for a client that has closed its half of the connection, which Node takes for gone', async () => {
      const client = await opened('/slow');
      await work.entered();
      client.socket.end();
      await Promise.all([subject.close(), client.closed]); // though the handler still holds
    });

    it('answers health while it drains', async () => {
      subject.startDraining();
      expect((await rawRequest(address, requestBytes('GET', '/health/live'))).status).to.equal(200);
    });

    it('cuts a handler that never ends at the deadline, and resolves', async () => {
      const client = await opened('/slow');
      await work.entered();
      await subject.close(AbortSignal.abort());
      await client.closed;
    });

    it('closes when nobody is there, and is refused from then on', async () => {
      await subject.close();
      await subject.close();
      const [error] = await once((await import('node:net')).connect(address.port, address.host), 'error').catch((thrown: unknown) => [thrown]);
      expect((error as NodeJS.ErrnoException).code).to.equal('ECONNREFUSED');
    });
  });
}
