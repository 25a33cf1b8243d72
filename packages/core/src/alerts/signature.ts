import { Buffer } from 'node:buffer';
import { createHmac } from 'node:crypto';

const PREFIX = 'whsec_';

/**
 * Signs deliveries as Standard Webhooks says (github.com/standard-webhooks): `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
 * A secret that begins with `whsec_` is the base64 of the key; any other is the key itself.
 */
export function signer(secret: string): (id: string, timestamp: number, body: string) => string {
  const key = secret.startsWith(PREFIX) ? Buffer.from(secret.slice(PREFIX.length), 'base64') : Buffer.from(secret, 'utf8');
  return (id, timestamp, body) => `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}
