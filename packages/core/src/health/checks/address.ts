import { shown } from '../../options/shown.js';
import type { Instance } from '../../registry/registry.js';

/**
 * Where a URL points to, as an instance, and the rest of it.
 * @throws TypeError for one that is none of `http:` or `https:`, and for one with a user or a password, which is not shown then.
 */
export function addressOf(url: string, factory: string): { readonly instance: Instance; readonly path: string } {
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined;
  if (parsed !== undefined && (parsed.username !== '' || parsed.password !== ''))
    throw new TypeError(`${factory} url: it holds a user or a password, which would be shown with it. Give them in a header.`);
  if (parsed === undefined || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') || parsed.port === '0')
    throw new TypeError(`${factory} url: ${shown(url)} does not fit. Give one such as 'http://orders.internal:8080/health/ready'.`);
  const isSecure = parsed.protocol === 'https:';
  return {
    instance: {
      id: 'checked',
      service: 'checked',
      scheme: isSecure ? 'https' : 'http',
      host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: parsed.port === '' ? (isSecure ? 443 : 80) : Number(parsed.port),
    },
    path: `${parsed.pathname}${parsed.search}`,
  };
}
