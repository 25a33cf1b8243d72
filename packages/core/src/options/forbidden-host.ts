import { BlockList, isIP } from 'node:net';

const FORBIDDEN = new BlockList();
FORBIDDEN.addSubnet('0.0.0.0', 8, 'ipv4'); // "this network": connects to the own machine
FORBIDDEN.addSubnet('169.254.0.0', 16, 'ipv4'); // link-local, and the metadata services of AWS, Azure, Google, Oracle
FORBIDDEN.addSubnet('224.0.0.0', 4, 'ipv4'); // multicast
FORBIDDEN.addAddress('255.255.255.255', 'ipv4');
FORBIDDEN.addAddress('100.100.100.200', 'ipv4'); // metadata of Alibaba Cloud
FORBIDDEN.addAddress('168.63.129.16', 'ipv4'); // Azure's wire server
FORBIDDEN.addAddress('::', 'ipv6');
FORBIDDEN.addSubnet('fe80::', 10, 'ipv6'); // link-local
FORBIDDEN.addSubnet('ff00::', 8, 'ipv6'); // multicast
FORBIDDEN.addSubnet('fd00:ec2::', 32, 'ipv6'); // metadata of AWS

const FORBIDDEN_NAMES: ReadonlySet<string> = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'instance-data',
  'instance-data.ec2.internal',
]);

/**
 * Whether no address from a registry, a request or a webhook option may send a request to this host unless it is meant: link-local, multicast and unspecified addresses, and the metadata
 * services of clouds, which hand credentials to whoever asks from inside. All notations of an address are seen through (`0xa9fea9fe`,
 * `::ffff:169.254.169.254`). A name is judged as a name: who connects has to judge the address that it resolves to again (DNS rebinding).
 */
export function isForbiddenHost(host: string): boolean {
  const bare = host.startsWith('[') ? host.slice(1, -1) : host;
  let plain: string;
  try {
    plain = new URL(`http://${bare.includes(':') ? `[${bare}]` : bare}`).hostname;
  } catch {
    return true;
  }
  const address = plain.startsWith('[') ? plain.slice(1, -1) : plain;
  const kind = isIP(address);
  if (kind === 0) return FORBIDDEN_NAMES.has(address.replace(/\.$/, ''));
  return FORBIDDEN.check(address, kind === 4 ? 'ipv4' : 'ipv6');
}
