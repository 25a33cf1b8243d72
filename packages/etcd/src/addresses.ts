import { wrong } from './wrong.js';

const REMEDY = "Give addresses such as 'http://127.0.0.1:2379'; a user and a password belong into username and password";

/** The origins of the members, without repetitions. @throws TypeError */
export function addressesOf(endpoints: unknown, secure: boolean): readonly string[] {
  const texts: readonly unknown[] = typeof endpoints === 'string' ? endpoints.split(',') : Array.isArray(endpoints) ? endpoints : [];
  if (texts.length === 0) throw wrong('endpoints', endpoints, REMEDY);
  return [...new Set(texts.map((text) => originOf(text, secure)))];
}

function originOf(given: unknown, secure: boolean): string {
  const text = typeof given === 'string' ? given.trim() : '';
  const withScheme = text.includes('://') ? text : `${secure ? 'https' : 'http'}://${text}`;
  // Not by `new URL`, whose error shows it.
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (url !== undefined && (url.username !== '' || url.password !== ''))
    throw new TypeError(`etcdRegistry endpoints: an address holds a user or a password. ${REMEDY}.`);
  if (
    text === '' ||
    url === undefined ||
    !['http:', 'https:'].includes(url.protocol) ||
    url.hostname === '' ||
    `${url.pathname}${url.search}${url.hash}` !== '/'
  )
    throw wrong('endpoints', given, REMEDY);
  // Who gives none means etcd's; a URL forgets that of its scheme also when it was given.
  const port = url.port !== '' ? url.port : (/:(80|443)\/?$/.exec(withScheme)?.[1] ?? '2379');
  return `${url.protocol}//${url.hostname}:${port}`;
}
