import { BlockList, isIP } from 'node:net';

/** Networks of proxies: those that are not routed on the internet, and whose addresses clusters use for pods. */
const SUBNETS: [string, number][] = [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['240.0.0.0', 4],
  ['::1', 128],
  ['fc00::', 7],
  ['fe80::', 10],
];

const privateNetworks = new BlockList();
for (const [net, prefix] of SUBNETS) privateNetworks.addSubnet(net, prefix, family(net));

/**
 * Value of Fastify's `trustProxy`: the configured networks, or a number of consecutive proxies with
 * private addresses. The number alone is not sufficient, because clients that bypass the proxies
 * could forge their address. Private addresses alone are not sufficient either: behind a load
 * balancer with source NAT, all clients have private addresses and could forge theirs.
 */
export function trustedProxies(setting: string): string | ((address: string, index: number) => boolean) {
  if (!/^\d+$/.test(setting)) return setting;
  const count = Number(setting);
  return (address, index) =>
    index < count && isIP(address) !== 0 && privateNetworks.check(address, family(address));
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}
