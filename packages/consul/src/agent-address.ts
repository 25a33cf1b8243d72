import { flag, variable, wrong } from './environment.js';

/** Where the agent listens. */
export interface AgentAddress {
  /** Scheme, host, port and path, without a slash at the end. */
  readonly url: string;
  readonly socketPath: string | undefined;
}

const REMEDY = "Give the agent's address, such as 'http://127.0.0.1:8500', '127.0.0.1:8500' or 'unix:///run/consul.sock'; a token belongs into token";

/**
 * `address`, else CONSUL_HTTP_ADDR, else `http://127.0.0.1:8500`. One without a scheme is https when `tls` or CONSUL_HTTP_SSL says so;
 * that variable also makes an http address of the environment https, as in Consul's own tools.
 * @throws TypeError naming the option or variable.
 */
export function agentAddress(given: unknown, secure: boolean, env: NodeJS.ProcessEnv): AgentAddress {
  const name = given === undefined ? 'CONSUL_HTTP_ADDR' : 'address';
  const text = given ?? variable(env, 'CONSUL_HTTP_ADDR') ?? '127.0.0.1:8500';
  const ssl = flag(env, 'CONSUL_HTTP_SSL') === true;
  if (typeof text !== 'string' || text === '') throw wrong(name, text, REMEDY);
  if (text.startsWith('unix:')) {
    const socketPath = text.slice('unix://'.length);
    if (!text.startsWith('unix:///') || socketPath.endsWith('/')) throw wrong(name, text, "Give the socket's whole path: 'unix:///run/consul.sock'");
    return { url: 'http://localhost', socketPath };
  }
  const url = URL.parse(text.includes('://') ? text : `${secure || ssl ? 'https' : 'http'}://${text}`);
  // Not shown: what stands before an @ may be a secret.
  if (url !== null && (url.username !== '' || url.password !== ''))
    throw new TypeError(`consulRegistry ${name}: it holds a user or a password. ${REMEDY}.`);
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.hostname === '' || url.search !== '' || url.hash !== '')
    throw wrong(name, text.replace(/[?#].*$/s, '?…'), REMEDY); // a token in it is one too
  if (url.protocol === 'http:' && given === undefined && ssl) url.protocol = 'https:';
  return { url: `${url.origin}${url.pathname.replace(/\/+$/, '')}`, socketPath: undefined };
}
