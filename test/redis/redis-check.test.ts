import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { monitor } from '@ferrule/core';
import type { Check } from '@ferrule/core';
import { redisCheck } from '@ferrule/redis';
import { expect } from 'chai';
import { createClient } from 'redis';
import { describeWithRedis, newRedis } from '../support/redis.js';
import type { RedisServer } from '../support/redis.js';

async function told(check: Check): Promise<string> {
  const health = monitor({ checks: [{ ...check, timeout: check.timeout ?? '5s' }] });
  const [{ status, output } = { status: 'none', output: undefined }] = await health.ask();
  health.close();
  return output === undefined ? status : `${status} ${output}`;
}

describeWithRedis('redisCheck', () => {
  let server: RedisServer;
  before(async () => {
    server = await newRedis({ password: 'hunter2' });
    await server.start();
  });
  after(() => server.stop());

  it('asks over a connection of its own, and leaves none', async () => {
    expect(await told(redisCheck({ url: server.url, password: 'hunter2' }))).to.equal('pass');
    expect(await told(redisCheck({ url: server.url, password: 'hunter2', warnAfter: 0 }))).to.match(/^warn slow: \d+ ms/);
    const client = createClient({ url: server.url, password: 'hunter2' });
    client.on('error', () => {});
    await client.connect();
    let others = Infinity;
    while (others > 0) others = (await client.sendCommand<string>(['CLIENT', 'LIST'])).trim().split('\n').length - 1;
    client.destroy();
  });

  it('says why it may not, and where nobody listens', async () => {
    expect(await told(redisCheck({ url: server.url, password: 'wrong' }))).to.equal('fail WRONGPASS');
    expect(await told(redisCheck({ url: server.url }))).to.match(/^fail NOAUTH$/);
    expect(await told(redisCheck({ url: 'redis://127.0.0.1:1' }))).to.equal('fail ECONNREFUSED');
  });

  it('uses the client that it is given: fails while that is not connected', async () => {
    const client = createClient({ url: server.url, password: 'hunter2' });
    client.on('error', () => {});
    const check = redisCheck({ client, cacheFor: 0 });
    expect(await told(check)).to.equal('fail not connected');
    await client.connect();
    expect(await told(check)).to.equal('pass');
    client.destroy();
    expect(await told(check)).to.equal('fail not connected');
  });

  it('fails of one that is stopped and passes when it goes on, without a second PING meanwhile', async () => {
    const client = createClient({ url: server.url, password: 'hunter2' });
    client.on('error', () => {});
    await client.connect();
    let pings = 0;
    const counting = {
      get isReady() {
        return client.isReady;
      },
      sendCommand(...args: Parameters<typeof client.sendCommand>) {
        pings++;
        return client.sendCommand(...args);
      },
    };
    const alone = redisCheck({ url: server.url, password: 'hunter2', name: 'alone', timeout: 100, cacheFor: 0 });
    const given = redisCheck({ client: counting, name: 'given', timeout: 100, cacheFor: 0 });
    const health = monitor({ checks: [alone, given] });
    const said = async (): Promise<readonly string[]> => (await health.ask()).map(({ status, output }) => output ?? status);
    await server.pause();
    expect(await said()).to.deep.equal(['timeout', 'timeout']);
    expect(await said()).to.deep.equal(['timeout', 'timeout']);
    expect(pings).to.equal(1);
    server.resume();
    // The answer to the first one ends it.
    while ((await said()).some((one) => one !== 'pass'));
    expect(pings).to.be.above(1);
    health.close();
    client.destroy();
  });

  it('ends with its signal where nothing answers, and closes the connection', async () => {
    const silent = createServer();
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const accepted = once(silent, 'connection') as Promise<[Socket]>;
    const controller = new AbortController();
    const check = redisCheck({ url: `redis://127.0.0.1:${(silent.address() as AddressInfo).port}` });
    const run = Promise.resolve(check.run({ signal: controller.signal })).catch((error: Error) => error.message);
    const [socket] = await accepted;
    socket.on('error', () => {});
    socket.resume();
    const closed = once(socket, 'close');
    controller.abort(new Error('enough'));
    expect(await run).to.equal('enough');
    await closed;
    silent.close();
  });

  it('refuses what does not fit without showing a password', () => {
    expect(() => redisCheck({ url: 'http://me:hunter2@redis' }))
      .to.throw(TypeError, 'redisCheck url: it is no URL of a Redis')
      .that.satisfies((error: Error) => !error.message.includes('hunter2'));
    expect(() => redisCheck({ client: {} as never })).to.throw(TypeError, 'redisCheck client');
    expect(() => redisCheck({ client: { isReady: true, sendCommand: async () => '' }, url: 'redis://a' })).to.throw(TypeError, 'Leave one out');
  });
});
