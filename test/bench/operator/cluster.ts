/** A control plane with a stand-in kubelet and PcfApis, for benchmarks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { request } from 'undici';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { PcfApiKind, VirtualServiceKind } from '../../../operator/resources/kinds.js';
import { KubeClient, type KubeObject, type ResourceType } from '../../../operator/runtime/kube-client.js';
import { ResourceCache } from '../../../operator/runtime/resource-cache.js';
import { within } from '../../../sandbox/process/within.js';
import { Sandbox } from '../../../sandbox/sandbox.js';
import { AuditLog } from '../../support/cluster/audit-log.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { StandInKubelet } from '../../support/cluster/stand-in-kubelet.js';
import { cpuSeconds, untilIdle } from './cpu.js';
import type { Cost } from './report.js';
import { ALL_REQUESTS, countRequests, KUBELET_AGENT } from './request-counts.js';

export const NAMESPACE = 'bench';
const logger = pino({ level: 'silent' });
/**
 * The garbage collector of Kubernetes reads the kinds of the cluster this often. Until it watches the kind of an owner,
 * it sends a request for each object that the owner has.
 */
const COLLECTOR_PERIOD_MS = 35_000;
/** The operator writes what it may postpone, see status-progress.ts, within 10 s. */
const POSTPONED_MS = 12_000;
/** Long enough for 1,000 objects on a small machine. */
const LIMIT_MS = 900_000;

/** A controller whose costs are measured. */
export interface Measurable {
  /** Namespace of its objects. */
  namespace: string;
  pid: number | undefined;
}

export class BenchCluster {
  readonly sandbox = new Sandbox('.sandbox/bench');
  readonly namespace = NAMESPACE;
  readonly names: string[] = [];
  apis!: ResourceCache;
  routes!: ResourceCache;
  kubelet!: StandInKubelet;
  private readonly stopping = new AbortController();
  private readonly audit = new AuditLog(this.sandbox.stateDir, ALL_REQUESTS);

  static async start(operatorArgs: string[], nodeArgs: string[]): Promise<BenchCluster> {
    const cluster = new BenchCluster();
    const { sandbox } = cluster;
    sandbox.cleanUp();
    await sandbox.startCluster(console.error, cluster.audit.apiServerArgs);
    await sandbox.install();
    const kubeletClient = new KubeClient(sandbox.parts.kubeConfig, { userAgent: KUBELET_AGENT });
    sandbox.onStop(() => kubeletClient.close());
    cluster.kubelet = new StandInKubelet(kubeletClient, logger);
    await cluster.kubelet.start();
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const data = {
      'database-url': base64('postgresql://nowhere/none'),
      'redis-url': base64('redis://nowhere'),
    };
    await sandbox.parts.kubectl.apply([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'pcf-api-secrets', namespace: NAMESPACE }, data },
    ]);
    // Like Argo Rollouts here: on a busy machine, a Lease that is lost would end the run.
    await sandbox.startOperator(['--no-leader-election', ...operatorArgs], nodeArgs);
    cluster.apis = cluster.watch(PcfApiKind);
    cluster.routes = cluster.watch(VirtualServiceKind);
    await within('the caches are synced', Promise.all([cluster.apis.synced, cluster.routes.synced]));
    return cluster;
  }

  get client(): KubeClient {
    return this.sandbox.parts.client;
  }

  get pid(): number | undefined {
    return this.sandbox.operator.pid;
  }

  /** Call it after the last CRD was installed. */
  async untilKindsAreKnown(): Promise<void> {
    await sleep(COLLECTOR_PERIOD_MS);
  }

  /** The API server has processed what was written before, such as CRDs. */
  untilIdle(): Promise<void> {
    return untilIdle('the API server', this.sandbox.parts.cluster.apiServer.pid);
  }

  /**
   * Measures what `work` costs until the API server is idle again. It waits for that before, too. `work` returns the
   * seconds until its result is visible.
   */
  async cost({ namespace, pid }: Measurable, work: () => Promise<number>): Promise<Cost> {
    await this.untilIdle();
    const mark = this.audit.mark();
    const before = this.cpu(pid);
    const seconds = await work();
    await this.untilIdle();
    const after = this.cpu(pid);
    const cpu = {
      subject: after.subject - before.subject,
      controlPlane: after.controlPlane - before.controlPlane,
    };
    return { seconds, cpu, requests: countRequests(this.audit.since(mark), namespace) };
  }

  private cpu(subject: number | undefined): Cost['cpu'] {
    const processes = Object.values(this.sandbox.parts.cluster.processes);
    const controlPlane = processes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
    return { subject: cpuSeconds(subject), controlPlane };
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.sandbox.stop();
  }

  /** Creates PcfApis up to `count`, 50 requests at a time. Returns the seconds until all are Ready. */
  async growTo(count: number): Promise<number> {
    const fresh = Array.from({ length: count - this.names.length }, (_, i) => `api-${this.names.length + i}`);
    return seconds(async () => {
      for (let from = 0; from < fresh.length; from += 50) {
        const some = fresh.slice(from, from + 50);
        await Promise.all(some.map((name) => this.client.create(PcfApiKind, pcfApi(name))));
      }
      this.names.push(...fresh);
      await until('PcfApis are Ready', this.apis, fresh, (name) => this.statusOf(name)?.phase === 'Ready');
    });
  }

  /** Sets a new image at weight 10 on every PcfApi. Returns the seconds until it is in effect on all. */
  async deliver(tag: string): Promise<number> {
    const image = `registry.example.com/pcf-api:${tag}`;
    const spec = { image, canaryWeight: 10 };
    return seconds(async () => {
      await Promise.all(this.names.map((name) => this.client.patch(PcfApiKind, NAMESPACE, name, { spec })));
      // Includes the image, because an object from an earlier size still reports its previous delivery.
      const isDelivered = (name: string) => {
        const { traffic, updateImage } = this.statusOf(name) ?? {};
        return traffic?.effectiveWeight === 10 && updateImage === image;
      };
      await until(`${tag} has weight 10`, this.apis, this.names, isDelivered);
    });
  }

  /** Waits until every desired weight is in effect, which needs ready pods, and nothing changes for a second. */
  async settled(): Promise<void> {
    await until('weights are in effect', this.apis, this.names, (name) => {
      const { desiredWeight, effectiveWeight, verified } = this.statusOf(name)?.traffic ?? {};
      return desiredWeight === effectiveWeight && verified === true;
    });
    await settled(this.apis, this.routes);
  }

  statusOf(name: string): PcfApi['status'] {
    return (this.apis.get(NAMESPACE, name) as unknown as PcfApi | undefined)?.status;
  }

  setWeight(name: string, canaryWeight: number): Promise<KubeObject> {
    return this.client.patch(PcfApiKind, NAMESPACE, name, { spec: { canaryWeight } });
  }

  /** Resident memory of the operator's process, in MiB. */
  async megabytes(): Promise<number> {
    return Math.round((await this.metric(/^process_resident_memory_bytes/)) / 2 ** 20);
  }

  /** Sum of the operator's metrics on matching lines. */
  async metric(line: RegExp): Promise<number> {
    const { body } = await request(`http://127.0.0.1:${this.sandbox.operator.port}/metrics`);
    const found = (await body.text()).split('\n').filter((text) => line.test(text));
    return found.reduce((sum, text) => sum + Number(text.split(' ').at(-1)), 0);
  }

  watch(type: ResourceType, namespace = NAMESPACE): ResourceCache {
    const cache = new ResourceCache(type, this.client, logger, { namespaces: [namespace] });
    void cache.run(this.stopping.signal);
    return cache;
  }
}

/**
 * Resolves once the check returns true for all names. The check runs whenever the cache changes.
 * After `limitMs`, throws an error with `what` and the names that are missing.
 */
export async function until(
  what: string,
  cache: ResourceCache,
  names: readonly string[],
  check: (name: string) => boolean,
  limitMs = LIMIT_MS,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let isDone = false;
  // A handler can't be removed, so it must be cheap afterwards.
  const onChange = () => {
    if (!isDone && names.every(check)) resolve();
  };
  cache.on(onChange);
  onChange();
  try {
    await within(what, promise, limitMs);
  } catch (error) {
    const missing = names.filter((name) => !check(name));
    const some = missing.slice(0, 5).join(', ');
    throw new Error(`${(error as Error).message}; ${missing.length} of ${names.length} missing: ${some}`);
  } finally {
    isDone = true;
  }
}

/** Resolves once nothing in these caches has changed for a second. */
export async function settled(...caches: readonly ResourceCache[]): Promise<void> {
  let last = performance.now();
  const recordChange = () => {
    last = performance.now();
  };
  for (const cache of caches) cache.on(recordChange);
  await eventually('no object changes', () => performance.now() - last >= 1_000, LIMIT_MS);
}

/** Resolves once the operator has also written what it may postpone, so that a restart finds nothing to write. */
export async function settledForRestart(...caches: readonly ResourceCache[]): Promise<void> {
  await sleep(POSTPONED_MS);
  await settled(...caches);
}

export async function seconds(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}

/** `spec` replaces fields of the default one: three pods without a worker. */
export function pcfApi(name: string, spec: object = {}): KubeObject {
  return {
    apiVersion: 'pcf.dev/v1alpha1',
    kind: 'PcfApi',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      image: 'registry.example.com/pcf-api:1.0.0',
      replicas: 3,
      database: { secretRef: { name: 'pcf-api-secrets' } },
      traffic: { provider: 'Istio', hosts: [`${name}.example.com`], gateways: ['istio-system/public'] },
      ...spec,
    },
  };
}
