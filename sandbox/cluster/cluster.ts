/** A Kubernetes control plane as four local processes: etcd, API server, controller manager, scheduler. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { Agent, request } from 'undici';
import type { ControlPlane } from '../control-plane/programs.js';
import type { Identity } from '../node/log-server.js';
import type { Ledger } from '../process/ledger.js';
import { ManagedProcess, untilReady } from '../process/managed-process.js';
import { freePorts } from '../process/ports.js';
import { writeKubeconfig } from './kubeconfig.js';

export interface ClusterOptions {
  /** Folder of data, logs and the kubeconfig. */
  stateDir: string;
  programs: ControlPlane;
  ledger: Ledger;
  /** Additional flags of kube-apiserver. */
  apiServerArgs?: string[];
  /**
   * Address of the API server in a network with real nodes and pods, which connect to it, and whose Leases
   * are watched. Default: the API server listens on loopback only.
   */
  nodeNetworkAddress?: string;
}

/**
 * An address that is assigned to no host (RFC 5737). The API server requires an advertise address, and
 * rejects loopback.
 */
const ADVERTISED = '192.0.2.1';

/**
 * Settings of Go's garbage collector, which with its defaults uses 40 % of the CPU time of a start with CRDs. Costs
 * 0.5 GB of memory.
 */
const GO_ENV = { GOGC: '400', GOMEMLIMIT: '2GiB' };

export class Cluster {
  readonly kubeconfigPath: string;
  readonly server: string;
  private readonly token = randomBytes(24).toString('hex');
  private readonly etcd: ManagedProcess;
  /** Tests kill it and restart it on the same port. */
  readonly apiServer: ManagedProcess;
  private readonly others: ManagedProcess[];

  private constructor(
    private readonly options: ClusterOptions,
    private readonly ports: { etcd: number; peer: number; api: number; manager: number; scheduler: number },
  ) {
    this.kubeconfigPath = join(options.stateDir, 'kubeconfig');
    this.server = `https://${options.nodeNetworkAddress ?? '127.0.0.1'}:${ports.api}`;
    this.etcd = this.process('etcd', this.etcdArgs());
    this.apiServer = this.process('kube-apiserver', this.apiServerArgs());
    this.others = [
      this.process('kube-controller-manager', this.managerArgs()),
      this.process('kube-scheduler', this.schedulerArgs()),
    ];
  }

  /** Starts all processes with empty data. Resolves when the API server is ready. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const [etcd, peer, api, manager, scheduler] = (await freePorts(5)) as [
      number,
      number,
      number,
      number,
      number,
    ];
    for (const folder of ['etcd', 'pki'])
      rmSync(join(options.stateDir, folder), { recursive: true, force: true });
    mkdirSync(join(options.stateDir, 'pki'), { recursive: true });
    const cluster = new Cluster(options, { etcd, peer, api, manager, scheduler });
    try {
      await cluster.boot();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  async stop(): Promise<void> {
    await Promise.all(this.others.map((one) => one.stop(3_000)));
    // Without etcd the API server would wait for it during a graceful shutdown: kill it.
    await this.apiServer.stop(2_000);
    await this.etcd.stop(3_000);
  }

  /** The processes by name, to measure their CPU time. */
  get processes(): Readonly<Record<string, ManagedProcess>> {
    const { etcd, apiServer, others } = this;
    return Object.fromEntries([etcd, apiServer, ...others].map((process) => [process.name, process]));
  }

  /** Stops the controller manager and the scheduler: objects that are loaded with their status stay as they are. */
  async stopControllers(): Promise<void> {
    await Promise.all(this.others.map((one) => one.stop(3_000)));
  }

  /** Address of etcd, which requires no authentication. */
  get etcdUrl(): string {
    return `http://127.0.0.1:${this.ports.etcd}`;
  }

  /** Restarts the API server after a kill, and waits until it is ready. */
  async restartApiServer(): Promise<void> {
    this.apiServer.start();
    await this.apiServerReady();
  }

  /** Writes a kubeconfig for another identity of this cluster. */
  writeKubeconfigFor(path: string, user: string, token: string, server = this.server): void {
    writeKubeconfig(path, { server, ca: this.ca(), token, user });
  }

  private async boot(): Promise<void> {
    this.writeKeys();
    await this.writeNodeIdentity();
    this.etcd.start();
    await untilReady('etcd', this.etcd, async () => {
      const { statusCode, body } = await request(`http://127.0.0.1:${this.ports.etcd}/health`);
      await body.dump();
      return statusCode === 200;
    });
    this.apiServer.start();
    await this.apiServerReady();
    this.writeKubeconfigFor(this.kubeconfigPath, 'admin', this.token);
    for (const one of this.others) one.start();
  }

  private async apiServerReady(): Promise<void> {
    const certificate = this.pki('apiserver.crt');
    await untilReady('kube-apiserver', this.apiServer, async () => {
      if (!existsSync(certificate)) return false;
      const agent = new Agent({ connect: { ca: this.ca() } });
      try {
        const headers = { authorization: `Bearer ${this.token}` };
        const { statusCode, body } = await request(`${this.server}/readyz`, { dispatcher: agent, headers });
        await body.dump();
        return statusCode === 200;
      } finally {
        await agent.destroy();
      }
    });
  }

  private ca(): string {
    return readFileSync(this.pki('apiserver.crt'), 'utf8');
  }

  private writeKeys(): void {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    writeFileSync(this.pki('sa.key'), privateKey, { mode: 0o600 });
    writeFileSync(this.pki('sa.pub'), publicKey);
    writeFileSync(this.pki('tokens.csv'), `${this.token},admin,admin,system:masters\n`, { mode: 0o600 });
  }

  /** Certificates of the API server and the node. Created per cluster. */
  private async writeNodeIdentity(): Promise<void> {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'PCF sandbox node' }], {
      keySize: 2048,
      algorithm: 'sha256',
      extensions: [{ name: 'basicConstraints', cA: true, critical: true }],
    });
    writeFileSync(this.pki('node.key'), key, { mode: 0o600 });
    writeFileSync(this.pki('node.crt'), cert);
  }

  /** Certificate and key for mutual TLS between the API server and the node. */
  get nodeIdentity(): Identity {
    return {
      cert: readFileSync(this.pki('node.crt'), 'utf8'),
      key: readFileSync(this.pki('node.key'), 'utf8'),
    };
  }

  private etcdArgs(): string[] {
    const client = `http://127.0.0.1:${this.ports.etcd}`;
    const peer = `http://127.0.0.1:${this.ports.peer}`;
    return [
      `--data-dir=${join(this.options.stateDir, 'etcd')}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      `--quota-backend-bytes=${8 * 2 ** 30}`,
      '--unsafe-no-fsync', // the data is deleted with the sandbox
      '--log-level=warn',
    ];
  }

  private apiServerArgs(): string[] {
    const address = this.options.nodeNetworkAddress;
    return [
      `--etcd-servers=http://127.0.0.1:${this.ports.etcd}`,
      `--bind-address=${address ?? '127.0.0.1'}`,
      `--secure-port=${this.ports.api}`,
      `--advertise-address=${address ?? ADVERTISED}`,
      `--endpoint-reconciler-type=${address ? 'lease' : 'none'}`,
      `--cert-dir=${join(this.options.stateDir, 'pki')}`,
      `--token-auth-file=${this.pki('tokens.csv')}`,
      '--authorization-mode=RBAC',
      '--service-cluster-ip-range=10.96.0.0/16',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${this.pki('sa.pub')}`,
      `--service-account-signing-key-file=${this.pki('sa.key')}`,
      `--kubelet-client-certificate=${this.pki('node.crt')}`,
      `--kubelet-client-key=${this.pki('node.key')}`,
      '--kubelet-preferred-address-types=InternalIP',
      '--profiling=false',
      ...(this.options.apiServerArgs ?? []),
    ];
  }

  private managerArgs(): string[] {
    const without = this.options.nodeNetworkAddress
      ? ''
      : ',-node-lifecycle-controller,-taint-eviction-controller';
    return [
      `--kubeconfig=${this.kubeconfigPath}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${this.ports.manager}`,
      `--cert-dir=${join(this.options.stateDir, 'pki', 'manager')}`,
      `--service-account-private-key-file=${this.pki('sa.key')}`,
      `--root-ca-file=${this.pki('apiserver.crt')}`,
      '--leader-elect=false',
      `--controllers=*${without}`,
      '--kube-api-qps=200',
      '--kube-api-burst=400',
      '--endpointslice-updates-batch-period=0s',
      '--horizontal-pod-autoscaler-sync-period=2s',
    ];
  }

  private schedulerArgs(): string[] {
    return [
      `--kubeconfig=${this.kubeconfigPath}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${this.ports.scheduler}`,
      `--cert-dir=${join(this.options.stateDir, 'pki', 'scheduler')}`,
      '--leader-elect=false',
      '--kube-api-qps=200',
      '--kube-api-burst=400',
    ];
  }

  private pki(file: string): string {
    return join(this.options.stateDir, 'pki', file);
  }

  private process(name: keyof ControlPlane, args: string[]): ManagedProcess {
    const { programs, stateDir, ledger } = this.options;
    const logFile = join(stateDir, 'logs', `${name}.log`);
    const env = { ...GO_ENV, ...process.env };
    return new ManagedProcess({ name, command: programs[name], args, env, logFile }, ledger);
  }
}
