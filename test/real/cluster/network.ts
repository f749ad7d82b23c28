/**
 * The network of `npm run test:real`: one bridge that nodes and pods share, inside a network
 * namespace without external connectivity. `main.ts` starts the tests in that namespace.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const BRIDGE = 'pcf0';
export const CLUSTER_CIDR = '10.244.0.0/16';
/** Address of the API server, PostgreSQL, Redis, istiod, metrics-server and the clients of the tests. */
export const HOST_ADDRESS = '10.244.0.1';
const FIRST_POD = '10.244.1.0';

export function nodeAddress(index: number): string {
  return `10.244.0.${10 + index}`;
}

/** Creates the bridge with the addresses of all nodes. The default route makes Service addresses routable. */
export function createNetwork(nodes: number): void {
  const ip = (...args: string[]) => execFileSync('ip', args);
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', BRIDGE, 'type', 'bridge');
  ip('addr', 'add', `${HOST_ADDRESS}/16`, 'dev', BRIDGE);
  for (let index = 0; index < nodes; index++) ip('addr', 'add', `${nodeAddress(index)}/16`, 'dev', BRIDGE);
  ip('link', 'set', BRIDGE, 'up');
  ip('route', 'add', 'default', 'dev', BRIDGE);
  // Pods are forwarded by the bridge, and their Service connections back through the NAT of this namespace.
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  writeFileSync('/proc/sys/net/bridge/bridge-nf-call-iptables', '1');
}

/** Configuration of the CNI plugins. All nodes share the bridge and the addresses. */
export function writeCniConfig(folder: string): void {
  mkdirSync(join(folder, 'net.d'), { recursive: true });
  const config = {
    cniVersion: '1.0.0',
    name: 'pcf',
    plugins: [
      {
        type: 'bridge',
        bridge: BRIDGE,
        isGateway: false,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          dataDir: join(folder, 'addresses'),
          ranges: [[{ subnet: CLUSTER_CIDR, rangeStart: FIRST_POD, gateway: HOST_ADDRESS }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
  writeFileSync(join(folder, 'net.d', '10-pcf.conflist'), JSON.stringify(config));
}
