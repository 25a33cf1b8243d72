import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { checkOptions } from '@ferrule/core/adapter';
import { flag, variable, wrong } from './environment.js';

/** For an agent with a certificate of a private authority, or one that asks for ours. PEM, or the paths of files with it; read once. */
export interface ConsulTls {
  readonly ca?: string | readonly string[];
  /** Default: CONSUL_CACERT, else the authorities of the system. */
  readonly caFile?: string;
  readonly cert?: string;
  /** Default: CONSUL_CLIENT_CERT. */
  readonly certFile?: string;
  readonly key?: string;
  /** Default: CONSUL_CLIENT_KEY. */
  readonly keyFile?: string;
  /** The name in the agent's certificate, where it is not that of the address. Default: CONSUL_TLS_SERVER_NAME. */
  readonly servername?: string;
  /** Whether the agent's certificate has to be valid. Default: CONSUL_HTTP_SSL_VERIFY, else true. Without, whoever stands between reads the token. */
  readonly verify?: boolean;
}

const KNOWN: Readonly<Record<keyof ConsulTls, true>> = {
  ca: true,
  caFile: true,
  cert: true,
  certFile: true,
  key: true,
  keyFile: true,
  servername: true,
  verify: true,
};

/** For node:tls, of the options and, where they say nothing, of the environment. @throws TypeError naming the option or variable; no error shows a key. */
export function tlsSettings(given: ConsulTls = {}, env: NodeJS.ProcessEnv): ConnectionOptions {
  checkOptions('consulRegistry tls', given, Object.keys(KNOWN));
  const { ca: ownCa, cert: ownCert, key: ownKey } = given;
  const { servername = variable(env, 'CONSUL_TLS_SERVER_NAME'), verify = flag(env, 'CONSUL_HTTP_SSL_VERIFY') ?? true } = given;
  if (typeof verify !== 'boolean') throw wrong('tls.verify', verify, 'Give true or false');
  const from = (own: unknown, option: 'caFile' | 'certFile' | 'keyFile', name: string): string | undefined => {
    if (own !== undefined) return undefined;
    const path = given[option] ?? variable(env, name);
    return path === undefined ? undefined : pemOf(given[option] === undefined ? name : `tls.${option}`, path);
  };
  const ca = ownCa ?? from(ownCa, 'caFile', 'CONSUL_CACERT');
  const cert = ownCert ?? from(ownCert, 'certFile', 'CONSUL_CLIENT_CERT');
  const key = ownKey ?? from(ownKey, 'keyFile', 'CONSUL_CLIENT_KEY');
  if ((cert === undefined) !== (key === undefined)) {
    const lacks = cert === undefined ? 'a certificate' : 'a key';
    throw new TypeError(
      `consulRegistry tls: ${lacks} is missing. Give cert and key together (tls.certFile and tls.keyFile, or CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY).`,
    );
  }
  const settings: ConnectionOptions = {
    ...(ca !== undefined && { ca: typeof ca === 'string' ? ca : [...ca] }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(servername !== undefined && { servername }),
    ...(!verify && { rejectUnauthorized: false }),
  };
  try {
    createSecureContext(settings);
  } catch (error) {
    const { code, reason } = error as { code?: unknown; reason?: unknown };
    throw new TypeError(
      `consulRegistry tls: ca, cert and key cannot be used together (${String(reason ?? code ?? 'not PEM')}). Give certificates and the key of one in PEM.`,
    );
  }
  return settings;
}

function pemOf(option: string, path: unknown): string {
  if (typeof path !== 'string') throw wrong(option, path, 'Give the path of a file in PEM');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw wrong(option, path, `It cannot be read (${(error as NodeJS.ErrnoException).code}). Give the path of a file in PEM`);
  }
  if (!text.includes('-----BEGIN ')) throw wrong(option, path, 'There is no PEM in it. Give the path of a file with -----BEGIN …');
  return text;
}
