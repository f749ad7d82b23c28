import { isIP } from 'node:net';
import { isPrivate } from './private-addresses.js';

/**
 * Value of Fastify's `trustProxy`: the configured networks, or a number of consecutive proxies with
 * private addresses. The number alone is not sufficient, because clients that bypass the proxies
 * could forge their address. Private addresses alone are not sufficient either: behind a load
 * balancer with source NAT, all clients have private addresses and could forge theirs.
 */
export function trustedProxies(setting: string): string | ((address: string, index: number) => boolean) {
  if (!/^\d+$/.test(setting)) return setting;
  const count = Number(setting);
  return (address, index) => index < count && isIP(address) !== 0 && isPrivate(address);
}
