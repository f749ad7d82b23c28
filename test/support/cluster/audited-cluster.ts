/**
 * A separate control plane with an audit log, a stand-in kubelet, and operators that the test
 * starts, for assertions on the operator's requests.
 */
import { pino } from 'pino';
import { request } from 'undici';
import { PcfApiKind } from '../../../operator/resources/kinds.js';
import type { KubeClient, KubeObject } from '../../../operator/runtime/kube-client.js';
import { type Lease, LeaseKind } from '../../../operator/runtime/lease.js';
import type { Project } from '../../../sandbox/crds.js';
import { OperatorProcess, type OperatorProcessOptions } from '../../../sandbox/operator-process.js';
import { Sandbox } from '../../../sandbox/sandbox.js';
import { PcfApiWatch } from '../../../sandbox/story/pcfapi-watch.js';
import { reportWhenEnded } from '../runner/ended-processes.js';
import { AuditLog } from './audit-log.js';
import { eventually } from './pcf-api.js';
import { StandInKubelet } from './stand-in-kubelet.js';

const logger = pino({ level: 'silent' });

/** Short enough to test a failover, long enough for a busy machine. */
export const FAST_LEASE = ['--lease-duration', '5s', '--renew-deadline', '3s', '--retry-period', '500ms'];

export class AuditedCluster {
  readonly audit: AuditLog;
  private readonly operators: OperatorProcess[] = [];
  private readonly watches: PcfApiWatch[] = [];
  kubelet!: StandInKubelet;

  private constructor(readonly sandbox: Sandbox) {
    this.audit = new AuditLog(sandbox.stateDir);
  }

  /** Installs the CRDs of `projects`. Each adds to the start time. */
  static async start(stateDir: string, projects?: readonly Project[]): Promise<AuditedCluster> {
    const sandbox = new Sandbox(stateDir);
    sandbox.cleanUp();
    const cluster = new AuditedCluster(sandbox);
    try {
      await sandbox.startCluster(undefined, cluster.audit.apiServerArgs);
      await sandbox.install(projects);
      cluster.kubelet = new StandInKubelet(cluster.client, logger);
      await cluster.kubelet.start();
      return cluster;
    } catch (error) {
      await sandbox.stop();
      throw error;
    }
  }

  get client(): KubeClient {
    return this.sandbox.parts.client;
  }

  /** Starts an operator with the RBAC of its manifests. */
  async operator(name: string, options: Partial<OperatorProcessOptions> = {}): Promise<OperatorProcess> {
    const { stateDir, ledger, parts } = this.sandbox;
    const operator = await OperatorProcess.start({
      cluster: parts.cluster,
      stateDir,
      ledger,
      name,
      ...options,
    });
    this.operators.push(operator);
    reportWhenEnded(`operator ${name}`, operator);
    return operator;
  }

  /** Stops the running operators, so that the next test starts without one. */
  async stopOperators(): Promise<void> {
    for (const operator of this.operators) operator.signal('SIGCONT');
    await Promise.all(this.operators.splice(0).map((operator) => operator.stop()));
  }

  async namespace(name: string): Promise<string> {
    await this.namespaces([name]);
    return name;
  }

  async namespaces(names: readonly string[]): Promise<void> {
    // No pod runs, so the values are not used.
    const stringData = { 'database-url': 'postgresql://nowhere/none', 'tls.crt': 'none', 'tls.key': 'none' };
    await Promise.all(names.map((name) => this.sandbox.createNamespace(name, stringData)));
  }

  /** Creates a PcfApi `api`. `spec` overrides fields of a small spec with Istio. */
  async create(namespace: string, spec: object = {}): Promise<PcfApiWatch> {
    await this.client.create(PcfApiKind, {
      apiVersion: 'pcf.dev/v1alpha1',
      kind: 'PcfApi',
      metadata: { name: 'api', namespace },
      spec: {
        image: 'registry.example.com/pcf-api:1.0.0',
        environment: 'development',
        replicas: 1,
        database: { secretRef: { name: 'pcf-api-secrets' } },
        traffic: { provider: 'Istio', hosts: [`${namespace}.example.com`], gateways: ['mesh/public'] },
        ...spec,
      },
    });
    const watch = new PcfApiWatch(this.client, logger, namespace, 'api');
    this.watches.push(watch);
    await watch.start();
    return watch;
  }

  async ready(watch: PcfApiWatch, timeoutMs?: number): Promise<void> {
    await watch.until('Ready', (api) => api?.status?.phase === 'Ready', timeoutMs);
  }

  patch(namespace: string, spec: object): Promise<KubeObject> {
    return this.client.patch(PcfApiKind, namespace, 'api', { spec }, { fieldManager: 'test' });
  }

  /** Spec of the operator's Lease, which must exist. */
  async lease(): Promise<Required<Lease['spec']>> {
    const lease = (await this.client.get(LeaseKind, 'pcf-system', 'pcf-operator')) as Lease;
    return lease.spec as Required<Lease['spec']>;
  }

  /** Deletes the PcfApis of a suite, so that the operator of the next suite has nothing to reconcile. */
  async clear(): Promise<void> {
    const { items } = await this.client.list(PcfApiKind);
    for (const { metadata } of items) await this.client.delete(PcfApiKind, metadata.namespace, metadata.name);
    const left = async () => (await this.client.list(PcfApiKind)).items.length;
    await eventually('every PcfApi is deleted', async () => (await left()) === 0, 30_000);
    await Promise.all(this.watches.splice(0).map((watch) => watch.stop()));
    await this.stopOperators();
  }

  async stop(): Promise<void> {
    this.kubelet.stop();
    await Promise.all(this.watches.map((watch) => watch.stop()));
    await this.stopOperators();
    await this.sandbox.stop();
  }
}

let shared: Promise<AuditedCluster> | undefined;

/** Shared by suites without special requirements. Each starts its operator, and calls `clear` at the end. */
export function sharedAuditedCluster(): Promise<AuditedCluster> {
  shared ??= AuditedCluster.start('.sandbox/test-audited', [
    ...(['istio', 'gatewayApi', 'gatewayApiPolicies', 'verticalPodAutoscaler'] as const),
    ...(['prometheusOperator', 'certManager', 'externalSecrets'] as const),
  ]);
  return shared;
}

/** Stops the shared cluster, if it was started. */
export async function stopSharedAuditedCluster(): Promise<void> {
  await (await shared?.catch(() => undefined))?.stop();
}

/** Sum of an operator's metrics on matching lines. */
export async function metric(operator: OperatorProcess, pattern: RegExp): Promise<number> {
  const lines = (await metricsText(operator)).split('\n').filter((text) => pattern.test(text));
  return lines.reduce((sum, text) => sum + Number(text.split(' ').at(-1)), 0);
}

export async function metricsText(operator: OperatorProcess): Promise<string> {
  const { body } = await request(`http://127.0.0.1:${operator.port}/metrics`);
  return body.text();
}
