/** All keys that begin with this text; as etcd has it, up to the first one that does not. */
export function allBelow(prefix: string): { readonly key: string; readonly rangeEnd: string } {
  return { key: prefix, rangeEnd: `${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)}` };
}
