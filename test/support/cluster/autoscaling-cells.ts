/** PcfApis under an autoscaler: one per combination of metric, strategy, weight and owner of the autoscaler. */
import type { Pod } from '../../../operator/reconciler/pod-state.js';
import { HorizontalPodAutoscalerKind } from '../../../operator/resources/kinds.js';
import { LABELS } from '../../../operator/resources/metadata.js';
import type { PcfApiView, PcfApiWatch } from '../../../sandbox/story/pcfapi-watch.js';
import type { MetricsApi } from '../servers/metrics-api.js';
import type { AuditedCluster } from './audited-cluster.js';
import { image } from './pcf-api.js';

export const METRICS = ['cpu', 'memory', 'External AverageValue', 'cpu and memory'] as const;
export type Metric = (typeof METRICS)[number];
export const STRATEGIES = ['Canary', 'BlueGreen', 'RollingUpdate'] as const;
export const OWNERS = ['ours', "the user's"] as const;

export interface Combination {
  metric: Metric;
  strategy: (typeof STRATEGIES)[number];
  weight: number;
  owner: (typeof OWNERS)[number];
}

/** Pods without a delivery. The bounds are lower and higher, so that errors in both directions are visible. */
export const REPLICAS = 3;
/** Dozens of deliveries run at the same time. */
const LIMIT_MS = 240_000;
const BOUNDS = { minReplicas: 2, maxReplicas: 8 };
/** Covers five decisions of the HPA, because metrics lag behind a change of the route. Kubernetes' default covers 20. */
const behavior = { scaleDown: { stabilizationWindowSeconds: 10 } };
const REQUESTS = { cpu: 100, memory: 100 };
const RETIRE_DELAY = {
  Canary: { canary: { scaleDownDelay: '10s' } },
  BlueGreen: { blueGreen: { scaleDownDelay: '10s' } },
  RollingUpdate: {},
};
const TARGET = { cpu: 70, memory: 80, external: 100 };

/** In pods at their target: constant load needs 3 pods, a rise 8, a fall less than the minimum. */
export const LOADS = { constant: 2.5, rise: 8, fall: 0.3 };

export class AutoscalingCell {
  load = LOADS.constant;
  /** Smallest and largest `spec.replicas` since {@link record}. */
  seen = { min: Number.POSITIVE_INFINITY, max: 0 };

  private constructor(
    private readonly cluster: AuditedCluster,
    readonly combination: Combination,
    readonly namespace: string,
    readonly watch: PcfApiWatch,
  ) {
    watch.onChange(() => this.observe());
  }

  static async create(cluster: AuditedCluster, combination: Combination, namespace: string) {
    const { strategy, owner } = combination;
    const horizontal = owner === 'ours' ? scalingOn(combination.metric) : { enabled: false };
    const watch = await cluster.create(namespace, {
      ...{ environment: 'production', replicas: undefined },
      resources: { requests: { cpu: `${REQUESTS.cpu}m`, memory: `${REQUESTS.memory}Mi` } },
      autoscaling: { horizontal },
      strategy: { type: strategy, ...RETIRE_DELAY[strategy] },
    });
    return new AutoscalingCell(cluster, combination, namespace, watch);
  }

  /** Creates the user's autoscaler; the operator creates ours. */
  async startAutoscaler(): Promise<void> {
    const { owner, metric } = this.combination;
    if (owner === 'ours') return;
    await this.cluster.client.create(HorizontalPodAutoscalerKind, hpa(this.namespace, scalingOn(metric)));
  }

  get name(): string {
    const { metric, strategy, weight, owner } = this.combination;
    return [metric, strategy, weight, owner].join(', ');
  }

  get replicas(): number | undefined {
    return (this.watch.now() as (PcfApiView & { spec: { replicas?: number } }) | undefined)?.spec.replicas;
  }

  /** Resets the smallest and largest `spec.replicas`. */
  record(): void {
    this.seen = { min: Number.POSITIVE_INFINITY, max: 0 };
    this.observe();
  }

  async deliver(tag: string): Promise<void> {
    const { weight } = this.combination;
    await this.cluster.patch(this.namespace, { image: image(tag), canaryWeight: weight });
    const isThere = (api?: PcfApiView) =>
      api?.status?.updateImage === image(tag) && api.status.traffic?.effectiveWeight === weight;
    await this.watch.until(`${this.name}: weight in effect`, isThere, LIMIT_MS);
  }

  async promote(tag: string): Promise<void> {
    await this.cluster.patch(this.namespace, { canaryWeight: null });
    const isAlone = ({ status }: PcfApiView) =>
      status?.stableImage === image(tag) && status.phase === 'Ready' && status.revisions?.length === 1;
    await this.watch.until(`${this.name}: promoted`, (api) => api !== undefined && isAlone(api), LIMIT_MS);
  }

  usage(pod: Pod, pods: readonly Pod[]): { cpu: string; memory: string } {
    const revision = pod.metadata.labels?.[LABELS.revision];
    const weight = this.watch.now()?.status?.revisions?.find(({ name }) => name === revision)?.weight ?? 0;
    const peers = pods.filter(({ metadata }) => metadata.labels?.[LABELS.revision] === revision).length;
    const cpu = (this.load * TARGET.cpu * REQUESTS.cpu * weight) / (100 * 100 * peers);
    // Memory per pod does not depend on the number of pods.
    const memory = (this.load / REPLICAS) * (TARGET.memory / 100) * REQUESTS.memory;
    return { cpu: `${Math.round(cpu * 1_000)}u`, memory: `${Math.round(memory * 1_024)}Ki` };
  }

  external(): string {
    return `${Math.round(this.load * TARGET.external)}`;
  }

  private observe(): void {
    const { replicas } = this;
    if (replicas === undefined) return;
    this.seen = { min: Math.min(this.seen.min, replicas), max: Math.max(this.seen.max, replicas) };
  }
}

/** Makes the metrics API report the load of the cells. Cells can be added later. */
export function serve(metrics: MetricsApi, cells: ReadonlyMap<string, AutoscalingCell>): void {
  metrics.usage = (pod, pods) =>
    cells.get(pod.metadata.namespace!)?.usage(pod, pods) ?? { cpu: '0', memory: '0' };
  metrics.external = (namespace) => cells.get(namespace)?.external() ?? '0';
}

function scalingOn(metric: Metric) {
  return { ...BOUNDS, behavior, metrics: metricsOf(metric) };
}

function metricsOf(metric: Metric): object[] {
  if (metric === 'External AverageValue') return [external];
  return metric.split(' and ').map((name) => ({
    type: 'Resource',
    resource: { name, target: { type: 'Utilization', averageUtilization: TARGET[name as 'cpu' | 'memory'] } },
  }));
}

const external = {
  type: 'External',
  external: {
    metric: { name: 'queue' },
    target: { type: 'AverageValue', averageValue: String(TARGET.external) },
  },
};

function hpa(namespace: string, spec: object) {
  const scaleTargetRef = { apiVersion: 'pcf.dev/v1alpha1', kind: 'PcfApi', name: 'api' };
  return {
    ...{
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'own', namespace },
    },
    spec: { scaleTargetRef, ...spec },
  };
}
