import { isIP } from 'node:net';
import { isPrivate } from '../webhooks/private-addresses.js';

/**
 * Whose word counts, as Fastify's `trustProxy`: networks by their addresses; or so many in a
 * row, counted from us, that have private addresses. Not those by their number alone: whoever
 * reaches us past the proxies could say they are anybody. Nor all with private addresses:
 * where a load balancer hides its clients behind its own, what they say would be next.
 */
export function trustedProxies(setting: string): string | ((address: string, index: number) => boolean) {
  if (!/^\d+$/.test(setting)) return setting;
  const count = Number(setting);
  return (address, index) => index < count && isIP(address) !== 0 && isPrivate(address);
}
