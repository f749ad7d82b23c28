/** The cluster of `npm run test:real`: control plane, three nodes, kube-proxy, metrics-server, PostgreSQL. */
import { readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { KubeClient } from '../../../operator/runtime/kube-client.js';
import { Cluster } from '../../../sandbox/cluster/cluster.js';
import { Kubectl } from '../../../sandbox/kubectl.js';
import { Postgres } from '../../../sandbox/postgres/postgres.js';
import { Ledger } from '../../../sandbox/process/ledger.js';
import type { ManagedProcess } from '../../../sandbox/process/managed-process.js';
import { SANDBOX_JWT_SECRET } from '../../../sandbox/tokens.js';
import type { Images } from '../parts/images.js';
import type { Programs } from '../parts/programs.js';
import { startKubeProxy } from './kube-proxy.js';
import { startMetricsServer } from './metrics-server.js';
import { createNetwork, HOST_ADDRESS, writeCniConfig } from './network.js';
import { Node } from './node.js';
import { startRegistry } from './registry.js';

const NODES = 3;

export class RealCluster {
  private constructor(
    readonly stateDir: string,
    readonly images: Images,
    readonly programs: Programs,
    readonly ledger: Ledger,
    readonly cluster: Cluster,
    readonly kubectl: Kubectl,
    /** Members with the same names as in the sandbox, for shared helpers. */
    readonly parts: { client: KubeClient },
    readonly postgres: Postgres,
    readonly nodes: Node[],
    readonly proxy: ManagedProcess,
  ) {}

  /** Starts everything, and resolves when all nodes are ready and have the images. */
  static async start(folder: string, programs: Programs, images: Images): Promise<RealCluster> {
    const stateDir = resolve(folder);
    removeLeftovers(stateDir);
    const ledger = new Ledger(join(stateDir, 'processes'));
    ledger.claim();
    createNetwork(NODES);
    const cni = join(stateDir, 'cni');
    writeCniConfig(cni);
    await startRegistry();
    const [cluster, postgres] = await Promise.all([
      Cluster.start({
        stateDir,
        programs: programs.controlPlane,
        ledger,
        nodeNetworkAddress: HOST_ADDRESS,
        apiServerArgs: aggregation(stateDir),
      }),
      Postgres.start({ ledger, address: HOST_ADDRESS }),
    ]);
    const kubectl = new Kubectl(programs.controlPlane.kubectl, cluster.kubeconfigPath);
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromFile(cluster.kubeconfigPath);
    const client = new KubeClient(kubeConfig);
    await kubectl.apply([kubeletRights()]);
    const common = { stateDir, ledger, kubeconfig: cluster.kubeconfigPath };
    const nodes = Array.from(
      { length: NODES },
      (_, index) =>
        new Node({
          ...common,
          index,
          cni,
          kubelet: join(programs.node, '..', 'kubelet'),
          clientCa: join(stateDir, 'pki', 'node.crt'),
          pauseImage: images.busybox,
        }),
    );
    await Promise.all(nodes.map((node) => node.start()));
    for (const archive of images.archives)
      await Promise.all(nodes.map(({ containerd }) => containerd.load(archive)));
    const proxy = startKubeProxy({ ...common, program: join(programs.node, '..', 'kube-proxy') });
    await startMetricsServer({ ...common, program: programs.metricsServer, kubectl });
    await kubectl.run(['wait', '--for=create', ...nodes.map(({ name }) => `node/${name}`), '--timeout=60s']);
    await kubectl.run(['wait', '--for=condition=Ready', 'node', '--all', '--timeout=90s']);
    return new RealCluster(
      stateDir,
      images,
      programs,
      ledger,
      cluster,
      kubectl,
      { client },
      postgres,
      nodes,
      proxy,
    );
  }

  /** Creates a namespace with its own database, and the Secret with its URL. */
  async createTenant(namespace: string, further: Record<string, string> = {}): Promise<void> {
    const stringData = {
      'database-url': await this.postgres.createDatabase(namespace),
      'jwt-secret': SANDBOX_JWT_SECRET,
      ...further,
    };
    await this.kubectl.apply([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'pcf-api-secrets', namespace }, stringData },
    ]);
  }
}

/** Removes the state of an earlier run, whose processes terminated with their namespaces. Keeps the images. */
function removeLeftovers(stateDir: string): void {
  const left = readdirSync(stateDir).filter((name) => name !== 'images' && name !== 'parts.json');
  for (const name of left) rmSync(join(stateDir, name), { recursive: true, force: true });
}

/** Flags that let an aggregated API server, such as metrics-server, trust this one. */
function aggregation(stateDir: string): string[] {
  const pki = (file: string) => join(stateDir, 'pki', file);
  return [
    `--requestheader-client-ca-file=${pki('node.crt')}`,
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    `--proxy-client-cert-file=${pki('node.crt')}`,
    `--proxy-client-key-file=${pki('node.key')}`,
    '--enable-aggregator-routing=true',
    '--allow-privileged=true',
  ];
}

/** The API server authenticates to kubelets under this name, for logs and exec. */
function kubeletRights(): object {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'api-server-kubelets' },
    roleRef: {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'ClusterRole',
      name: 'system:kubelet-api-admin',
    },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'PCF sandbox node' }],
  };
}
