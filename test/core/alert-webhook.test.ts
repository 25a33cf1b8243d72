import { createHmac } from 'node:crypto';
import { expect } from 'chai';
import { webhook } from '@ferrule/core';
import type { Alert, WebhookOptions } from '@ferrule/core';
import { manualClock, scriptedUpstream } from '@ferrule/testing';
import type { ScriptedUpstream } from '@ferrule/testing';

const raised: Alert = {
  source: 'health',
  kind: 'raised',
  subject: 'db',
  message: 'Check db fails',
  at: Date.UTC(2026, 0, 1),
  details: { failures: 3 },
};
const resolved: Alert = { ...raised, kind: 'resolved', message: 'Check db has recovered' };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('webhook', () => {
  let upstream: ScriptedUpstream;
  beforeEach(async () => void (upstream = await scriptedUpstream()));
  afterEach(() => upstream[Symbol.asyncDispose]());

  it('posts the alert, signed as Standard Webhooks says, and its recovery; the same alert is not sent twice', async () => {
    upstream.otherwise({ status: 204 });
    const hook = webhook({ url: `${upstream.origin}/hook`, secret: 'a secret of some length' });
    for (const alert of [resolved, raised, raised, resolved, resolved]) hook(alert);
    await hook.idle();
    expect(upstream.requests.map((one) => (one.json() as Alert).kind)).to.deep.equal(['raised', 'resolved']);
    const { headers, body } = upstream.requests[0]!;
    const mac = createHmac('sha256', 'a secret of some length').update(`${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.`);
    expect(headers['webhook-signature']).to.equal(`v1,${mac.update(body).digest('base64')}`);
    expect(hook.stats()).to.deep.equal({ delivered: 2, failed: 0, attempts: 2, duplicates: 3, dropped: 0, pending: 0 });
    await hook.close();
  });

  it('tries again after 503 with the same id, not before Retry-After', async () => {
    upstream.script({ status: 503, headers: { 'retry-after': '7' } }, { status: 200 });
    const clock = manualClock();
    const hook = webhook({ url: upstream.origin, clock, random: () => 0 });
    hook(raised);
    await upstream.received(1);
    while (clock.pending !== 1 || hook.stats().attempts !== 1 || !(await upstream.requests[0]!.finished)) await turn();
    for (let ms = 0; upstream.requests.length < 2 && ms < 30_000; ms += 1_000) {
      await clock.advance(1_000);
      await turn();
    }
    await upstream.received(2);
    await hook.idle();
    expect(upstream.requests[1]!.headers['webhook-id']).to.equal(upstream.requests[0]!.headers['webhook-id']);
    expect(Number(upstream.requests[1]!.headers['webhook-timestamp']) - Number(upstream.requests[0]!.headers['webhook-timestamp'])).to.be.at.least(7);
    expect(hook.stats()).to.include({ delivered: 1, attempts: 2 });
  });

  for (const [what, status] of [
    ['a redirect', 302],
    ['a 400', 400],
  ] as const) {
    it(`does not follow or repeat ${what}`, async () => {
      upstream.otherwise({ status, headers: { location: `${upstream.origin}/elsewhere` } });
      const hook = webhook({ url: upstream.origin });
      hook(raised);
      await hook.idle();
      expect([upstream.requests.length, hook.stats().failed]).to.deep.equal([1, 1]);
    });
  }

  it('gives up one that hangs at the timeout, and aborts it on close', async () => {
    upstream.otherwise({ cut: 'hang' });
    const clock = manualClock();
    const hook = webhook({ url: upstream.origin, clock, retries: 0, timeout: '5s' });
    hook(raised);
    await upstream.received(1);
    await clock.advance(5_000);
    await hook.idle();
    expect(hook.stats()).to.include({ failed: 1, pending: 0 });
    hook({ ...raised, subject: 'cache' });
    await upstream.received(2);
    await hook.close();
    expect([hook.stats().dropped, clock.pending]).to.deep.equal([1, 0]);
  });

  it('signs with the key in a whsec_ secret, and sends each header of its own once, however the options write it', async () => {
    upstream.otherwise({ status: 204 });
    const key = Buffer.from('0123456789abcdef0123456789abcdef');
    const headers = { 'Content-Type': 'text/plain', 'Webhook-Signature': 'forged', 'X-Team': 'a' };
    await using hook = webhook({ url: upstream.origin, secret: `whsec_${key.toString('base64')}`, headers });
    hook(raised);
    await hook.idle();
    const { headers: sent, body } = upstream.requests[0]!;
    const mac = createHmac('sha256', key)
      .update(`${String(sent['webhook-id'])}.${String(sent['webhook-timestamp'])}.`)
      .update(body);
    expect([sent['content-type'], sent['x-team'], sent['webhook-signature']]).to.deep.equal(['application/json', 'a', `v1,${mac.digest('base64')}`]);
  });

  it('an alert that could not be delivered is not one that was told: it is sent when it is raised again, and so is its recovery', async () => {
    upstream.script({ status: 400 }, { status: 204 }, { status: 400 }, { status: 204 });
    const hook = webhook({ url: upstream.origin });
    for (const alert of [raised, raised, raised, resolved, resolved, resolved]) {
      hook(alert);
      await hook.idle();
    }
    expect(upstream.requests.map((one) => (one.json() as Alert).kind)).to.deep.equal(['raised', 'raised', 'resolved', 'resolved']);
    expect(hook.stats()).to.include({ delivered: 2, failed: 2, duplicates: 2 });
    await hook.close();
  });

  it('one whose body could not be made may come again', async () => {
    upstream.otherwise({ status: 204 });
    let isBroken = true;
    const body = (alert: Alert): unknown => {
      if (isBroken) throw new Error('no body');
      return alert;
    };
    const hook = webhook({ url: upstream.origin, body });
    hook(raised);
    isBroken = false;
    hook(raised);
    await hook.idle();
    expect(hook.stats()).to.include({ dropped: 1, delivered: 1, duplicates: 0 });
    await hook.close();
  });

  it('one that was dropped for want of room may come again', async () => {
    const clock = manualClock();
    const hook = webhook({ url: upstream.origin, clock, queue: 1 });
    const other = { ...raised, subject: 'cache' };
    upstream.otherwise({ cut: 'hang' });
    for (const alert of [raised, other, { ...raised, subject: 'disk' }, other]) hook(alert);
    expect(hook.stats()).to.include({ dropped: 2, duplicates: 0 });
    await hook.close();
  });

  for (const host of [
    '169.254.169.254',
    '0xa9fea9fe',
    '[::ffff:169.254.169.254]',
    '[fe80::1]',
    '0.0.0.0',
    '[::]',
    '224.0.0.1',
    'metadata.google.internal',
  ])
    it(`refuses ${host}, unless it is meant`, async () => {
      expect(() => webhook({ url: `http://${host}/hook` })).to.throw(TypeError, /^webhook url: its host is link-local/);
      await webhook({ url: `http://${host}/hook`, anyHost: true }).close();
    });

  for (const [what, options, message] of [
    ['no URL', { url: 'hook' }, /webhook url/],
    ['a password in the URL', { url: 'https://u:hunter2@h/' }, /^(?!.*hunter2).*webhook url/],
    ['a short secret', { url: 'http://h/', secret: 'short' }, /^(?!.*short)webhook secret/],
    ['a whsec_ secret that is no base64', { url: 'http://h/', secret: 'whsec_!!!!!!!!!!!!!!!!!!!!!!!!' }, /^(?!.*!)webhook secret/],
    ['a whsec_ secret with a short key', { url: 'http://h/', secret: 'whsec_MDEyMzQ1Njc4OTA=' }, /^webhook secret/],
    ['half a retry', { url: 'http://h/', retries: 0.5 }, /webhook retries: 0.5/],
  ] as const satisfies readonly (readonly [string, WebhookOptions, RegExp])[]) {
    it(`refuses ${what}`, () => expect(() => webhook(options)).to.throw(TypeError, message));
  }
});
