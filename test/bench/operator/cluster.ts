/** A control plane with a stand-in kubelet and PcfApis on it, for the benchmark. */
import { pino } from 'pino';
import { request } from 'undici';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { PcfApiKind, VirtualServiceKind } from '../../../operator/resources/kinds.js';
import type { KubeClient, KubeObject, ResourceType } from '../../../operator/runtime/kube-client.js';
import { ResourceCache } from '../../../operator/runtime/resource-cache.js';
import { Sandbox } from '../../../sandbox/sandbox.js';
import { StandInKubelet } from '../../support/stand-in-kubelet.js';

export const NAMESPACE = 'bench';
const logger = pino({ level: 'silent' });

export class BenchCluster {
  readonly sandbox = new Sandbox('.sandbox/bench');
  readonly namespace = NAMESPACE;
  readonly names: string[] = [];
  apis!: ResourceCache;
  routes!: ResourceCache;
  private readonly stopping = new AbortController();

  static async start(operatorArgs: string[], nodeArgs: string[]): Promise<BenchCluster> {
    const cluster = new BenchCluster();
    const { sandbox } = cluster;
    sandbox.cleanUp();
    await sandbox.startCluster();
    await sandbox.install();
    await new StandInKubelet(cluster.client, logger).start();
    const data = { 'database-url': Buffer.from('postgresql://nowhere/none').toString('base64') };
    await sandbox.parts.kubectl.apply([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'pcf-api-secrets', namespace: NAMESPACE }, data },
    ]);
    await sandbox.startOperator(operatorArgs, nodeArgs);
    cluster.apis = cluster.watch(PcfApiKind);
    cluster.routes = cluster.watch(VirtualServiceKind);
    await Promise.all([cluster.apis.synced, cluster.routes.synced]);
    return cluster;
  }

  get client(): KubeClient {
    return this.sandbox.parts.client;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.sandbox.stop();
  }

  /** Creates PcfApis until there are so many, 50 requests at a time, and waits until all are Ready. Seconds. */
  async growTo(count: number): Promise<number> {
    const fresh = Array.from({ length: count - this.names.length }, (_, i) => `api-${this.names.length + i}`);
    return seconds(async () => {
      for (let from = 0; from < fresh.length; from += 50) {
        const some = fresh.slice(from, from + 50);
        await Promise.all(some.map((name) => this.client.create(PcfApiKind, pcfApi(name))));
      }
      this.names.push(...fresh);
      await until(this.apis, () => fresh.every((name) => this.statusOf(name)?.phase === 'Ready'));
    });
  }

  /** Gives every PcfApi a new image at weight 10 and waits until that is in force. Seconds. */
  async deliver(tag: string): Promise<number> {
    const spec = { image: `registry.example.com/pcf-api:${tag}`, canaryWeight: 10 };
    return seconds(async () => {
      await Promise.all(this.names.map((name) => this.client.patch(PcfApiKind, NAMESPACE, name, { spec })));
      const inForce = (name: string) => {
        const status = this.statusOf(name);
        return status?.traffic?.effectiveWeight === 10 && status.updateRevision !== undefined;
      };
      await until(this.apis, () => this.names.every(inForce));
    });
  }

  /** At rest, and each at the weight that was asked of it: pods that start slowly are no rest. */
  async settled(): Promise<void> {
    await until(this.apis, () =>
      this.names.every((name) => {
        const { desiredWeight, effectiveWeight, verified } = this.statusOf(name)?.traffic ?? {};
        return desiredWeight === effectiveWeight && verified;
      }),
    );
    await settled(this.apis, this.routes);
  }

  statusOf(name: string): PcfApi['status'] {
    return (this.apis.get(NAMESPACE, name) as unknown as PcfApi | undefined)?.status;
  }

  setWeight(name: string, canaryWeight: number): Promise<KubeObject> {
    return this.client.patch(PcfApiKind, NAMESPACE, name, { spec: { canaryWeight } });
  }

  /** Memory of the operator's process, in MB. */
  async megabytes(): Promise<number> {
    return Math.round((await this.metric(/^process_resident_memory_bytes/)) / 2 ** 20);
  }

  /** Sum of the operator's metrics whose line matches. */
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

/** Resolves once the check holds; it is asked whenever the cache changes. */
export function until(cache: ResourceCache, check: () => boolean, timeoutMs = 900_000): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not within ${timeoutMs / 1000} s`)), timeoutMs);
    let done = false;
    const look = () => {
      // A handler can't be taken back, and what is no longer asked must cost nothing.
      if (done || !check()) return;
      done = true;
      clearTimeout(timer);
      resolve();
    };
    cache.on(look);
    look();
  });
}

/** Resolves once nothing in these caches has changed for a second. */
export async function settled(...caches: readonly ResourceCache[]): Promise<void> {
  let last = performance.now();
  const note = () => {
    last = performance.now();
  };
  for (const cache of caches) cache.on(note);
  while (performance.now() - last < 1_000) await new Promise((resolve) => setTimeout(resolve, 50));
}

export async function seconds(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}

function pcfApi(name: string): KubeObject {
  return {
    apiVersion: 'pcf.dev/v1alpha1',
    kind: 'PcfApi',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      image: 'registry.example.com/pcf-api:1.0.0',
      replicas: 3,
      database: { secretRef: { name: 'pcf-api-secrets' } },
      traffic: { provider: 'Istio', hosts: [`${name}.example.com`], gateways: ['istio-system/public'] },
    },
  };
}
