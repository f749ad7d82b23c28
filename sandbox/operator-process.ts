/** The operator as a child process, with exactly the permissions of deploy/k8s/rbac.yaml. */
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { request } from 'undici';
import { KubeClient, type ResourceType } from '../operator/runtime/kube-client.js';
import type { Cluster } from './cluster/cluster.js';
import type { Ledger } from './process/ledger.js';
import { type Exit, ManagedProcess, untilReady } from './process/managed-process.js';
import { freePorts } from './process/ports.js';

const ACCOUNT = { namespace: 'pcf-system', name: 'pcf-operator' };
const TokenRequestKind: ResourceType = {
  group: '',
  version: 'v1',
  kind: 'TokenRequest',
  plural: `serviceaccounts/${ACCOUNT.name}/token`,
  namespaced: true,
};

export interface OperatorProcessOptions {
  cluster: Cluster;
  stateDir: string;
  ledger: Ledger;
  /** Additional flags of the operator. */
  args?: string[];
  /** Flags of its Node.js, such as memory limits. */
  nodeArgs?: string[];
  name?: string;
  /** Address of the API server, for example of a proxy. */
  server?: string;
}

export class OperatorProcess {
  private constructor(
    private readonly process: ManagedProcess,
    /** Port of /healthz, /readyz and /metrics. */
    readonly port: number,
  ) {}

  /** Starts the operator. Resolves when it is ready. */
  static async start({
    cluster,
    stateDir,
    ledger,
    args = [],
    nodeArgs = [],
    name = 'operator',
    server,
  }: OperatorProcessOptions): Promise<OperatorProcess> {
    const kubeconfig = join(stateDir, `kubeconfig-${name}`);
    cluster.writeKubeconfigFor(kubeconfig, ACCOUNT.name, await requestToken(cluster), server);
    const port = (await freePorts(1))[0]!;
    const process_ = new ManagedProcess(
      {
        name,
        command: process.execPath,
        args: [
          ...nodeArgs,
          'dist/bundle/operator/main.js',
          '--host',
          '127.0.0.1',
          '--port',
          String(port),
          ...args,
        ],
        env: { PATH: process.env.PATH, KUBECONFIG: kubeconfig },
        logFile: join(stateDir, 'logs', `${name}.log`),
      },
      ledger,
    );
    const operator = new OperatorProcess(process_, port);
    await operator.restart();
    return operator;
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  async restart(): Promise<void> {
    this.process.start();
    await untilReady('operator', this.process, async () => {
      const { statusCode, body } = await request(`http://127.0.0.1:${this.port}/readyz`);
      await body.dump();
      return statusCode === 200;
    });
  }

  /** Sends SIGKILL. */
  kill(): Promise<void> {
    return this.process.kill();
  }

  /** Sends SIGTERM, so that it finishes and releases its Lease, with a timeout. */
  stop(graceMs = 25_000): Promise<Exit> {
    return this.process.stop(graceMs);
  }

  /** Resolves when the process has exited. */
  get exited(): Promise<Exit> {
    return this.process.exited;
  }

  /** Whether it has exited with an error, for example because it lost its Lease. */
  get failed(): boolean {
    return this.process.failed;
  }

  signal(signal: NodeJS.Signals): void {
    this.process.signal(signal);
  }

  lastLines(count?: number): string {
    return this.process.lastLines(count);
  }
}

async function requestToken(cluster: Cluster): Promise<string> {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(cluster.kubeconfigPath);
  const client = new KubeClient(kubeConfig);
  const answer = await client.create(TokenRequestKind, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { ...ACCOUNT },
    spec: { expirationSeconds: 86_400 },
  });
  await client.close();
  return (answer.status as { token: string }).token;
}
