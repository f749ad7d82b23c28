/** The sandbox: cluster, node, gateway, databases, operator. Tests also use its parts. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { KubeConfig } from '@kubernetes/client-node';
import { type Logger, pino } from 'pino';
import { parse } from 'yaml';
import { KubeClient, type KubeObject, type ResourceType } from '../operator/runtime/kube-client.js';
import { Cluster } from './cluster/cluster.js';
import { resolveControlPlane } from './control-plane/resolve.js';
import { customResourceDefinitions, type Project } from './crds.js';
import { Gateway } from './gateway/gateway.js';
import { RoutingTable } from './gateway/routing-table.js';
import { Kubectl, writeCommands } from './kubectl.js';
import { ProcessNode } from './node/process-node.js';
import { OperatorProcess } from './operator-process.js';
import { Postgres } from './postgres/postgres.js';
import type { Progress } from './process/go-build.js';
import { Ledger } from './process/ledger.js';
import { type PrometheusServer, startPrometheus } from './prometheus.js';
import { type RedisServer, startRedis } from './redis.js';
import { SANDBOX_JWT_SECRET } from './tokens.js';

/** Projects whose kinds the operator writes. */
const PROJECTS: readonly Project[] = [
  ...(['istio', 'gatewayApi', 'gatewayApiPolicies', 'verticalPodAutoscaler'] as const),
  ...(['prometheusOperator', 'certManager', 'externalSecrets'] as const),
  ...(['volumeSnapshots', 'cloudNativePg'] as const),
];

const CrdKind: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
};

const NamespaceKind: ResourceType = {
  ...{ group: '', version: 'v1', kind: 'Namespace', plural: 'namespaces' },
  namespaced: false,
};

const SecretKind: ResourceType = {
  ...{ group: '', version: 'v1', kind: 'Secret', plural: 'secrets' },
  namespaced: true,
};

/** The API server first writes `conditions: null`. */
function isEstablished(crd: KubeObject): boolean {
  const { conditions } = (crd.status ?? {}) as { conditions?: { type: string; status: string }[] | null };
  return conditions?.some(({ type, status }) => type === 'Established' && status === 'True') ?? false;
}

/** Namespace and permissions of the operator. */
function operatorRights(): string {
  const files = ['namespace', 'rbac'].map((name) => readFileSync(`deploy/k8s/${name}.yaml`, 'utf8'));
  return files.join('\n---\n');
}

export interface ClusterParts {
  cluster: Cluster;
  kubectl: Kubectl;
  /** Client with cluster-admin permissions. */
  client: KubeClient;
  kubeConfig: KubeConfig;
}

/** The API server needs about ten seconds for the schemas, and more on a busy machine. */
const ESTABLISHED_MS = 120_000;

/** Running components in start order. They are stopped in reverse order. */
export class Sandbox {
  readonly stateDir: string;
  readonly ledger: Ledger;
  private readonly stopping = new AbortController();
  private readonly stops: (() => Promise<unknown>)[] = [];
  parts!: ClusterParts;
  postgres!: Postgres;
  redis: RedisServer | undefined;
  prometheus: PrometheusServer | undefined;
  node!: ProcessNode;
  routing!: RoutingTable;
  gateway!: Gateway;
  gatewayPort = 0;
  operator!: OperatorProcess;
  /** URL of the page of approval links, if the operator serves it. */
  approvalUrl: string | undefined;

  constructor(stateDir: string) {
    this.stateDir = resolve(stateDir);
    mkdirSync(this.stateDir, { recursive: true });
    this.ledger = new Ledger(join(this.stateDir, 'processes'));
  }

  /** Folder with `kubectl` and `kubectl pcf` for this cluster, for the PATH. */
  get commandsDir(): string {
    return join(this.stateDir, 'bin');
  }

  /**
   * Acquires the state folder and terminates processes of an earlier sandbox. Returns their number. Throws if
   * that sandbox is still running.
   */
  cleanUp(): number {
    const left = this.ledger.claim();
    for (const folder of ['pods', 'logs'])
      rmSync(join(this.stateDir, folder), { recursive: true, force: true });
    return left;
  }

  /**
   * `apiServerArgs`: additional flags of kube-apiserver. `progress`: receives messages about long downloads
   * and builds.
   */
  async startCluster(progress: Progress = console.error, apiServerArgs: string[] = []): Promise<void> {
    const { stateDir, ledger } = this;
    const programs = await resolveControlPlane(progress);
    const cluster = await Cluster.start({ stateDir, programs, ledger, apiServerArgs });
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromFile(cluster.kubeconfigPath);
    // On a busy machine, all large CRDs at once take longer than the default.
    const client = new KubeClient(kubeConfig, { timeoutMs: ESTABLISHED_MS });
    this.parts = {
      cluster,
      kubeConfig,
      client,
      kubectl: new Kubectl(programs.kubectl, cluster.kubeconfigPath),
    };
    writeCommands(this.commandsDir, programs.kubectl, cluster.kubeconfigPath);
    this.onStop(async () => {
      await client.close();
      await cluster.stop();
    });
  }

  /** Runs `kubectl pcf`. Resolves with stdout; throws with stderr if it fails. */
  async kubectlPcf(args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(join(this.commandsDir, 'kubectl-pcf'), args);
    return stdout;
  }

  async startPostgres(): Promise<void> {
    this.postgres = await Postgres.start({ ledger: this.ledger });
    this.onStop(() => this.postgres.remove());
  }

  async startRedis(): Promise<void> {
    this.redis = await startRedis({ stateDir: this.stateDir, ledger: this.ledger });
    this.onStop(async () => this.redis?.stop());
  }

  /** Requires the node, whose pods it scrapes. */
  async startPrometheus(): Promise<void> {
    const { stateDir, ledger, node, parts } = this;
    const options = { stateDir, ledger, client: parts.client, addresses: node.addresses };
    this.prometheus = await startPrometheus({ ...options, logger: this.logger('prometheus-targets') });
    this.onStop(async () => this.prometheus?.stop());
  }

  /** Installs the CRD and permissions of the operator, and CRDs of other projects. */
  async install(projects: readonly Project[] = PROJECTS): Promise<void> {
    const found = await Promise.all(projects.map((name) => customResourceDefinitions(name)));
    const unused = /^(?!virtualservices|destinationrules|gateways).*\.istio\.io$|checkpoints/;
    const crds = found.flat().filter(({ metadata }) => !unused.test(metadata.name));
    const own = readdirSync('crds').map((file) => parse(readFileSync(`crds/${file}`, 'utf8')) as KubeObject);
    // Large schemas take the API server some time: installing them in parallel halves it.
    await Promise.all([
      ...[...crds, ...own].map((crd) => this.parts.client.apply(CrdKind, crd, { fieldManager: 'sandbox' })),
      this.parts.kubectl.apply(operatorRights(), '--server-side'),
    ]);
    await this.established();
  }

  /** Waits until all CRDs are served. `kubectl wait` fails for a CRD without a status. */
  async established(): Promise<void> {
    const deadline = performance.now() + ESTABLISHED_MS;
    for (;;) {
      const { items } = await this.parts.client.list(CrdKind);
      const waiting = items.filter((crd) => !isEstablished(crd)).map(({ metadata }) => metadata.name);
      if (waiting.length === 0) return;
      if (performance.now() > deadline) throw new Error(`not established: ${waiting.join(', ')}`);
      await sleep(50);
    }
  }

  async startNode(crashLoopBaseMs?: number): Promise<void> {
    const { stateDir, ledger } = this;
    const logger = this.logger('node');
    this.node = new ProcessNode({
      kubeConfig: this.parts.kubeConfig,
      identity: this.parts.cluster.nodeIdentity,
      stateDir,
      ledger,
      logger,
      crashLoopBaseMs,
    });
    await this.node.start();
    this.onStop(() => this.node.stop());
    this.routing = new RoutingTable(this.parts.client, logger, this.node.addresses);
    await this.routing.start(this.stopping.signal);
    this.onStop(() => this.routing.stopped());
    this.gateway = new Gateway(this.routing, stateDir);
    this.gatewayPort = await this.gateway.start();
    this.onStop(() => this.gateway.stop());
  }

  async startOperator(args: string[] = [], nodeArgs: string[] = []): Promise<void> {
    const { stateDir, ledger, parts } = this;
    const options = { cluster: parts.cluster, stateDir, ledger, args, nodeArgs };
    this.operator = await OperatorProcess.start(options);
    // The Lease need not be released, because the cluster is deleted.
    this.onStop(() => this.operator.stop(2_000));
  }

  /** A namespace with its own database, and the Secret with its URL. */
  async createTenant(namespace: string): Promise<void> {
    const url = await this.postgres.createDatabase(namespace);
    await this.createNamespace(namespace, {
      'database-url': url,
      'jwt-secret': SANDBOX_JWT_SECRET,
      ...(this.redis ? { 'redis-url': this.redis.url } : {}),
    });
  }

  /** A namespace with the Secret `pcf-api-secrets`. */
  async createNamespace(name: string, stringData: Record<string, string>): Promise<void> {
    const { client } = this.parts;
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
    await client.apply(NamespaceKind, namespace, { fieldManager: 'sandbox' });
    const metadata = { name: 'pcf-api-secrets', namespace: name };
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata, stringData };
    await client.apply(SecretKind, secret, { fieldManager: 'sandbox' });
  }

  /** Stops everything in reverse order. */
  async stop(): Promise<void> {
    this.stopping.abort();
    for (const stop of this.stops.splice(0).reverse()) {
      await Promise.race([stop().catch(() => {}), sleep(30_000, undefined, { ref: false })]);
    }
    this.ledger.release();
  }

  private logger(name: string): Logger {
    const dest = join(this.stateDir, 'logs', `${name}.log`);
    return pino({ level: 'warn' }, pino.destination({ dest, mkdir: true }));
  }

  /** Registers an action for `stop`. Actions run in reverse order. */
  onStop(stop: () => Promise<unknown>): void {
    this.stops.push(stop);
  }
}
