/**
 * Protects from server-side request forgery: users choose the URLs of webhooks, which must not
 * reach private networks.
 */
import { lookup as dnsLookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Global unicast. All other IPv6 addresses are special-purpose, deprecated or unallocated. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');
/** Public addresses at which cloud platforms serve only their own machines: Azure's WireServer. */
const PLATFORM_ADDRESSES = ['168.63.129.16'];

export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError';

  constructor() {
    super('the address is in a private network; webhooks require a public address');
  }
}

/**
 * Whether an IP address is globally reachable by IANA's special-purpose address registries. IPv6
 * addresses that embed IPv4 addresses for a translator or a tunnel are not, except IPv4-mapped
 * addresses, with which the operating system connects by IPv4.
 */
export function isPublic(address: string): boolean {
  const parsed = ipaddr.process(isIP(address) === 6 ? inHexadecimal(address) : address);
  if (parsed.range() !== 'unicast' || PLATFORM_ADDRESSES.includes(parsed.toString())) return false;
  return parsed instanceof ipaddr.IPv4 || parsed.match(GLOBAL_IPV6);
}

/** ipaddr.js parses the deprecated address `::1.2.3.4` as the IPv4-mapped address `::ffff:1.2.3.4`. */
function inHexadecimal(ipv6: string): string {
  const withoutZone = ipv6.replace(/%.*$/, '');
  return new URL(`http://[${withoutZone}]`).hostname.slice(1, -1);
}

/** Throws when the host is not a public IP address. `publicLookup` checks host names when they are resolved. */
export function refusePrivateHost(hostname: string): void {
  const address = hostname.replace(/^\[|\]$/g, '');
  if (isIP(address) && !isPublic(address)) throw new PrivateAddressError();
}

type LookupCallback = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

/**
 * DNS lookup that rejects private addresses. It is checked when connecting, because DNS records can
 * change (DNS rebinding).
 */
export function publicLookup(hostname: string, options: LookupOptions, callback: LookupCallback): void {
  dnsLookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, []);
    if (addresses.some(({ address }) => !isPublic(address))) return callback(new PrivateAddressError(), []);
    if (options.all) return callback(null, addresses);
    const [first] = addresses;
    return callback(null, first?.address ?? '', first?.family);
  });
}
