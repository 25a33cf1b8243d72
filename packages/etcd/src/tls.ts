import { createSecureContext } from 'node:tls';
import { checkOptions, namesOf } from '@ferrule/core/adapter';
import { wrong } from './wrong.js';

/** For an etcd with a certificate of a private authority, or one that asks for ours; as in node:tls, in PEM. */
export interface EtcdTls {
  readonly ca?: string | readonly string[];
  /** With `key`. etcd takes its common name for the user when it is told to (`--client-cert-auth`). */
  readonly cert?: string;
  readonly key?: string;
  /** The name in the members' certificates, where it is not that of the address. */
  readonly servername?: string;
}

const NAMES = namesOf<EtcdTls>({ ca: true, cert: true, key: true, servername: true });

/** @throws TypeError; no error shows a key. */
export function tlsSettings(tls: EtcdTls, endpoints: readonly string[]): EtcdTls {
  checkOptions('etcdRegistry tls', tls, NAMES);
  const plain = endpoints.find((endpoint) => !endpoint.startsWith('https:'));
  if (plain !== undefined) throw wrong('endpoints', plain, 'With tls each of them is an https one. Write https://, or leave tls out');
  if ((tls.cert === undefined) !== (tls.key === undefined))
    throw new TypeError(`etcdRegistry tls: the ${tls.cert === undefined ? 'certificate' : 'key'} is missing. Give cert and key together.`);
  if (tls.servername !== undefined && (typeof tls.servername !== 'string' || tls.servername === ''))
    throw wrong('tls.servername', tls.servername, "Give the name in the members' certificates");
  // Of what is no PEM, node:tls takes no notice where it is an authority.
  for (const pem of [tls.ca ?? [], tls.cert ?? [], tls.key ?? []].flat())
    if (typeof pem !== 'string' || !pem.includes('-----BEGIN ')) throw unusable('not PEM');
  try {
    createSecureContext({ ...(tls as object) });
  } catch (error) {
    const { code, reason } = error as { readonly code?: unknown; readonly reason?: unknown };
    throw unusable(String(reason ?? code));
  }
  return tls;
}

function unusable(why: string): TypeError {
  return new TypeError(
    `etcdRegistry tls: ca, cert and key cannot be used together (${why}). Give certificates and the key of one as text in PEM, -----BEGIN … and so on.`,
  );
}
