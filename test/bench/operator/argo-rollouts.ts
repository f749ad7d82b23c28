/**
 * Argo Rollouts on the same control plane, for comparison. It does only part of the operator's work:
 * pods, a VirtualService and its weights. A PcfApi also has settings, a migration Job, a
 * ServiceAccount, a NetworkPolicy and a PodDisruptionBudget.
 */
import { join } from 'node:path';
import { request } from 'undici';
import { typeOf, VirtualServiceKind } from '../../../operator/resources/kinds.js';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-client.js';
import type { ResourceCache } from '../../../operator/runtime/resource-cache.js';
import { ManagedProcess, untilReady } from '../../../sandbox/process/managed-process.js';
import { freePorts } from '../../../sandbox/process/ports.js';
import { argoProgram } from './argo-program.js';
import { type BenchCluster, seconds, settled, until } from './cluster.js';

const NAMESPACE = 'argo';
const RolloutKind: ResourceType = {
  group: 'argoproj.io',
  version: 'v1alpha1',
  kind: 'Rollout',
  plural: 'rollouts',
  namespaced: true,
};

interface RolloutStatus {
  phase?: string;
  /** `metadata.generation`, as text. */
  observedGeneration?: string;
}

interface Route {
  http: { route: { weight?: number }[] }[];
}

export class ArgoRollouts {
  readonly namespace = NAMESPACE;
  readonly names: string[] = [];
  rollouts!: ResourceCache;
  routes!: ResourceCache;

  private constructor(
    private readonly cluster: BenchCluster,
    private readonly process: ManagedProcess,
    private readonly metricsPort: number,
  ) {}

  static async start(cluster: BenchCluster, flags: readonly string[]): Promise<ArgoRollouts> {
    const { parts, stateDir, ledger } = cluster.sandbox;
    const { path: command, crds } = await argoProgram();
    await parts.kubectl.apply(crds, '--server-side');
    await cluster.sandbox.established();
    await parts.kubectl.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } }]);
    const [metrics, health] = (await freePorts(2)) as [number, number];
    const args = [
      `--kubeconfig=${parts.cluster.kubeconfigPath}`,
      `--metricsPort=${metrics}`,
      `--healthzPort=${health}`,
      '--leader-elect=false',
      '--loglevel=error',
      ...flags,
    ];
    const logFile = join(stateDir, 'logs', 'argo-rollouts.log');
    const argo = new ArgoRollouts(
      cluster,
      new ManagedProcess({ name: 'argo-rollouts', command, args, logFile }, ledger),
      metrics,
    );
    argo.rollouts = cluster.watch(RolloutKind, NAMESPACE);
    argo.routes = cluster.watch(VirtualServiceKind, NAMESPACE);
    return argo;
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  /** Starts the controller. Returns the seconds until it has reconciled every Rollout. */
  run(): Promise<number> {
    return seconds(async () => {
      this.process.start();
      await untilReady('argo-rollouts', this.process, async () => {
        const { body } = await request(`http://127.0.0.1:${this.metricsPort}/metrics`);
        const reconciled = /^rollout_reconcile_count\{/gm;
        return ((await body.text()).match(reconciled)?.length ?? 0) >= this.names.length;
      });
    });
  }

  async stop(): Promise<void> {
    await this.process.stop(5_000);
  }

  /** Creates Rollouts up to `count`. Returns the seconds until the new ones are Healthy. Earlier ones may be Paused. */
  async growTo(count: number): Promise<number> {
    const fresh = Array.from({ length: count - this.names.length }, (_, i) => `api-${this.names.length + i}`);
    this.names.push(...fresh);
    return seconds(async () => {
      for (let from = 0; from < fresh.length; from += 50) {
        await Promise.all(fresh.slice(from, from + 50).map((name) => this.create(name)));
      }
      const isHealthy = (name: string) => this.status(name).phase === 'Healthy';
      await until('Rollouts are Healthy', this.rollouts, fresh, isHealthy);
    });
  }

  /** Sets a new image at weight 10 on every Rollout. Returns the seconds until it is in effect on all. */
  async deliver(tag: string): Promise<number> {
    const image = `registry.example.com/pcf-api:${tag}`;
    const template = { spec: { containers: [{ name: 'api', image }] } };
    // Includes the steps, because weight edits have changed them since the previous delivery.
    const spec = { template, strategy: { canary: { steps: steps(10) } } };
    return seconds(async () => {
      const patched = await Promise.all(this.names.map((name) => this.patch(name, { spec })));
      const generations = new Map(patched.map(({ metadata }) => [metadata.name, metadata.generation ?? 0]));
      const isPaused = (name: string) => {
        const { phase, observedGeneration } = this.status(name);
        return phase === 'Paused' && Number(observedGeneration) >= generations.get(name)!;
      };
      await until(`Rollouts are Paused at ${tag}`, this.rollouts, this.names, isPaused);
      await until(`${tag} has weight 10`, this.routes, this.names, (name) => this.weight(name) === 10);
    });
  }

  settled(): Promise<void> {
    return settled(this.rollouts, this.routes);
  }

  setWeight(name: string, weight: number): Promise<KubeObject> {
    return this.patch(name, { spec: { strategy: { canary: { steps: steps(weight) } } } });
  }

  private patch(name: string, patch: object): Promise<KubeObject> {
    return this.cluster.client.patch(RolloutKind, NAMESPACE, name, patch);
  }

  private status(name: string): RolloutStatus {
    return (this.rollouts.get(NAMESPACE, name)?.status ?? {}) as RolloutStatus;
  }

  private weight(name: string): number | undefined {
    const spec = this.routes.get(NAMESPACE, name)?.spec as Route | undefined;
    return spec?.http[0]?.route[1]?.weight;
  }

  private async create(name: string): Promise<void> {
    const objects = [service(`${name}-stable`, name), service(`${name}-canary`, name), virtualService(name)];
    for (const object of objects) await this.cluster.client.create(typeOf(object), object);
    await this.cluster.client.create(RolloutKind, rollout(name));
  }
}

function steps(weight: number) {
  return [{ setWeight: weight }, { pause: {} }];
}

function rollout(name: string): KubeObject {
  const app = { app: name };
  const canary = {
    stableService: `${name}-stable`,
    canaryService: `${name}-canary`,
    trafficRouting: { istio: { virtualService: { name } } },
    steps: steps(10),
  };
  const template = {
    metadata: { labels: app },
    spec: { containers: [{ name: 'api', image: 'registry.example.com/pcf-api:1.0.0' }] },
  };
  return {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Rollout',
    metadata: { name, namespace: NAMESPACE },
    spec: { replicas: 3, selector: { matchLabels: app }, template, strategy: { canary } },
  };
}

function service(name: string, app: string): KubeObject {
  const spec = { selector: { app }, ports: [{ port: 80, targetPort: 8080 }] };
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: NAMESPACE }, spec };
}

function virtualService(name: string): KubeObject {
  const to = (host: string, weight: number) => ({ destination: { host }, weight });
  const spec = {
    hosts: [`${name}.argo.example.com`],
    http: [{ name: 'primary', route: [to(`${name}-stable`, 100), to(`${name}-canary`, 0)] }],
  };
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name, namespace: NAMESPACE },
    spec,
  };
}
