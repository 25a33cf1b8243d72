import { expect } from 'chai';
import { rawConnection, requestBytes } from '@ferrule/testing';
import { Child } from '../support/child.js';

const SCRIPT = new URL('../support/service-process.js', import.meta.url);

describe('signals to a real process', function () {
  this.timeout(20_000);
  let child: Child;
  afterEach(() => void child.process.kill('SIGKILL'));

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`the first ${signal} completes what is in flight, runs the hooks and exits with 0, whatever else would keep the process running`, async () => {
      child = new Child(SCRIPT, 'linger');
      await child.line('up');
      const client = await rawConnection({ host: '127.0.0.1', port: await child.port('first') });
      client.send(requestBytes('GET', '/slow'));
      await child.line('entered');
      child.process.kill(signal);
      const reply = await client.reply();
      expect([reply.status, reply.text, reply.complete]).to.deep.equal([200, 'slow', true]);
      expect(await child.exit).to.deep.equal([0, null]);
      expect(child.lines.at(-1)).to.equal('first stopped');
    });
  }

  for (const [first, second, code] of [
    ['SIGTERM', 'SIGTERM', 143],
    ['SIGINT', 'SIGINT', 130],
  ] as const) {
    it(`a second ${second} exits at once with ${code}`, async () => {
      child = new Child(SCRIPT, 'hang', 'two');
      await child.line('up');
      child.process.kill(first);
      await Promise.all([child.line('first hangs'), child.line('second hangs')]);
      child.process.kill(second);
      expect(await child.exit).to.deep.equal([code, null]);
      expect(child.lines).to.not.include('first stopped');
    });
  }

  it('a hook that hangs keeps neither the other hooks from running nor the process from ending, with 1', async () => {
    child = new Child(SCRIPT, 'hang', 'brief');
    await child.line('up');
    child.process.kill('SIGTERM');
    expect(await child.exit).to.deep.equal([1, null]);
    expect(child.lines.slice(-2)).to.deep.equal(['first hangs', 'first stopped']);
  });

  it('of two services each stops on the signal, and the process ends when both have', async () => {
    child = new Child(SCRIPT, 'two', 'linger');
    await child.line('up');
    const client = await rawConnection({ host: '127.0.0.1', port: await child.port('second') });
    client.send(requestBytes('GET', '/slow'));
    await child.line('entered');
    child.process.kill('SIGTERM');
    await child.line('first stopped');
    expect((await client.reply()).text).to.equal('slow');
    expect(await child.exit).to.deep.equal([0, null]);
    expect(child.lines.slice(-2)).to.deep.equal(['first stopped', 'second stopped']);
  });

  it('leaves the end of the process to an app that listens for the signal itself', async () => {
    child = new Child(SCRIPT, 'listener', 'linger');
    await child.line('up');
    child.process.kill('SIGTERM');
    expect(await child.exit).to.deep.equal([42, null]);
    expect(child.lines.slice(-2)).to.deep.equal(['first stopped', 'the app ends']);
  });
});
