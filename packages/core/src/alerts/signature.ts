import { Buffer } from 'node:buffer';
import { createHmac } from 'node:crypto';

const PREFIX = 'whsec_';
const LEAST_BYTES = 16;
/** Standard and URL alphabet, with or without its padding. */
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** Whether it has a key of 16 bytes or more that `signer` can use. */
export function isSecret(secret: unknown): secret is string {
  if (typeof secret !== 'string') return false;
  if (!secret.startsWith(PREFIX)) return Buffer.byteLength(secret) >= LEAST_BYTES;
  return BASE64.test(secret.slice(PREFIX.length)) && keyOf(secret).length >= LEAST_BYTES;
}

/**
 * Signs deliveries as Standard Webhooks says (github.com/standard-webhooks): `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
 * A secret that begins with `whsec_` is the base64 of the key; any other is the key itself.
 */
export function signer(secret: string): (id: string, timestamp: number, body: string) => string {
  const key = keyOf(secret);
  return (id, timestamp, body) => `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

function keyOf(secret: string): Buffer {
  return secret.startsWith(PREFIX) ? Buffer.from(secret.slice(PREFIX.length), 'base64') : Buffer.from(secret, 'utf8');
}
