import { checkOptions, namesOf, shown } from '@ferrule/core/adapter';

/** How to reach a server, beside its URL. */
export interface RedisSocket {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 6379. */
  readonly port?: number;
  /** Of a Unix socket, in place of host and port. */
  readonly path?: string;
  /** Default: whether the URL begins with `rediss:`. */
  readonly tls?: boolean;
  /** PEM texts, as in node:tls. */
  readonly ca?: string | readonly string[];
  readonly cert?: string;
  readonly key?: string;
  /** The name in the certificate, when it is not the host. */
  readonly servername?: string;
  /** Default true. */
  readonly rejectUnauthorized?: boolean;
}

export interface RedisEndpoint {
  readonly socket: RedisSocket;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
}

interface EndpointOptions {
  readonly url?: string;
  readonly socket?: RedisSocket;
  readonly username?: string;
  readonly password?: string;
  readonly database?: number;
}

const SOCKET_NAMES = namesOf<RedisSocket>({
  host: true,
  port: true,
  path: true,
  tls: true,
  ca: true,
  cert: true,
  key: true,
  servername: true,
  rejectUnauthorized: true,
});
const URL_REMEDY =
  "Give redis://host:port/database, such as 'redis://127.0.0.1:6379'; characters of a password that mean something in a URL are escaped";

/** @throws TypeError; no message holds the URL or a password. */
export function endpointOf({ url, socket = {}, username, password, database }: EndpointOptions, factory = 'redisStore'): RedisEndpoint {
  checkOptions(`${factory} socket`, socket, SOCKET_NAMES);
  const check = (option: string, value: unknown, fits: boolean, remedy: string): void => {
    if (!fits) throw new TypeError(`${factory} ${option}: ${shown(value)} does not fit. ${remedy}.`);
  };
  const checkSecret = (option: string, fits: boolean, what: string): void => refuseSecret(factory, option, fits, what);
  const parsed = url === undefined ? undefined : urlParts(url, factory);
  const { host = '127.0.0.1', port = 6379, path, tls = false, ca, cert, key, servername, rejectUnauthorized } = { ...socket, ...parsed?.socket };
  const number = database ?? parsed?.database ?? 0;
  check('socket.host', host, typeof host === 'string' && /^[^\s/@]+$/.test(host), 'Give a host name or an IP address');
  check('socket.port', port, Number.isInteger(port) && port >= 1 && port <= 65_535, 'Give an integer from 1 to 65535');
  check('socket.path', path, path === undefined || (typeof path === 'string' && path !== ''), 'Give the path of a Unix socket');
  check('socket.tls', tls, typeof tls === 'boolean', 'Give true or false');
  check('socket.servername', servername, isTextOrNone(servername), 'Give the name in the certificate');
  check('socket.rejectUnauthorized', rejectUnauthorized, ['boolean', 'undefined'].includes(typeof rejectUnauthorized), 'Give true or false');
  for (const [name, pem] of Object.entries({ ca, cert, key }))
    checkSecret(
      `socket.${name}`,
      pem === undefined || (Array.isArray(pem) ? pem : [pem]).every((text) => typeof text === 'string'),
      'it is no PEM text',
    );
  for (const [name, text] of Object.entries({ username, password })) checkSecret(name, isTextOrNone(text), 'it is no text');
  check('database', number, Number.isInteger(number) && number >= 0, 'Give an integer from 0');
  if (!tls && [ca, cert, key, servername, rejectUnauthorized].some((each) => each !== undefined))
    throw new TypeError(`${factory} socket: it has what belongs to TLS, but TLS is off. Give a rediss: URL, or tls: true.`);
  return {
    socket: {
      ...(path === undefined ? { host, port } : { path }),
      ...(tls && { tls }),
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(servername !== undefined && { servername }),
      ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
    },
    username: username ?? parsed?.username,
    password: password ?? parsed?.password,
    database: number,
  };
}

function urlParts(text: string, factory: string): { socket: RedisSocket; username?: string; password?: string; database?: number } {
  const checkSecret = (option: string, fits: boolean, what: string): void => refuseSecret(factory, option, fits, what);
  // Not by `new URL`, whose error shows it.
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined;
  const database = /^\/?(\d{0,9})$/.exec(url?.pathname ?? 'none')?.[1];
  checkSecret('url', url !== undefined && /^rediss?:$/.test(url.protocol) && url.hostname !== '', `it is no URL of a Redis. ${URL_REMEDY}`);
  checkSecret('url', database !== undefined, `what stands behind the host is no number of a database. ${URL_REMEDY}`);
  checkSecret('url', url!.search === '' && url!.hash === '', `it has a query or a fragment. ${URL_REMEDY}`);
  const [username, password] = [url!.username, url!.password].map((part) => decoded(part, factory));
  return {
    socket: {
      host: url!.hostname.replace(/^\[(.*)\]$/, '$1'),
      ...(url!.port !== '' && { port: Number(url!.port) }),
      ...(url!.protocol === 'rediss:' && { tls: true }),
    },
    ...(username !== '' && { username: username! }),
    ...(password !== '' && { password: password! }),
    ...(database !== '' && { database: Number(database) }),
  };
}

function decoded(part: string, factory: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new TypeError(`${factory} url: its user or password holds a % that is no escape. ${URL_REMEDY}.`);
  }
}

function isTextOrNone(value: unknown): boolean {
  return value === undefined || (typeof value === 'string' && value !== '');
}

/** Without the value. */
function refuseSecret(factory: string, option: string, fits: boolean, what: string): void {
  if (!fits) throw new TypeError(`${factory} ${option}: ${what}.`);
}
