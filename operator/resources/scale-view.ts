/**
 * Pods and metrics that an autoscaler of a PcfApi measures. A HorizontalPodAutoscaler multiplies a metric's
 * ratio by the number of ready pods that the scale subresource selects. With CPU a second revision
 * changes nothing: twice the pods have half the load each. Memory per pod stays as it is, so twice
 * the pods would look like twice the load, and the result becomes the size of one revision.
 * @see https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details
 */

interface NamedMetric {
  metric?: { name?: string };
  target?: { type?: string };
}

/** A metric of autoscaling/v2, as far as it matters here. */
export interface ScaleMetric {
  type?: string;
  resource?: { name?: string };
  containerResource?: { name?: string };
  pods?: NamedMetric;
  external?: NamedMetric;
  object?: NamedMetric;
}

/** The revisions of a PcfApi that have pods, or desired pods. */
export interface RevisionPods {
  /** Pods that have capacity for the whole traffic: `spec.replicas`, or its default. */
  full: number;
  stable?: string;
  /** Desired pods per revision. */
  replicas: Readonly<Record<string, number>>;
  /** Ready pods per revision. */
  ready: Readonly<Record<string, number>>;
  /** Revisions with pods in the cluster, desired or not. */
  existing: readonly string[];
  /** Share of the traffic per revision, in percent. */
  weights: Readonly<Record<string, number>>;
}

export interface ScaleView {
  /** The revision whose pods are measured; undefined: the pods of all revisions. */
  revision?: string;
  /** Metrics in effect. */
  metrics: readonly ScaleMetric[];
  /** Metrics that do not fall when pods are added, while pods of two revisions exist. */
  perPod: readonly ScaleMetric[];
  /** Metrics in effect that fall when pods are added. */
  shared: readonly ScaleMetric[];
}

export interface ScaleOptions {
  /** The autoscaler is ours: its metrics can be changed. */
  isOurs: boolean;
  /** A VerticalPodAutoscaler sizes the pods that the scale subresource selects, new ones included. */
  isVertical: boolean;
  /** The scale subresource still selects the pods for metrics that fall when pods are added. */
  isLimited: boolean;
}

/** Decides which pods the scale subresource selects, and which metrics are in effect. */
export function scaleView(
  pods: RevisionPods,
  metrics: readonly ScaleMetric[],
  { isOurs, isVertical, isLimited }: ScaleOptions,
): ScaleView {
  if (metrics.length === 0 || !hasTwoRevisions(pods)) return { metrics, perPod: [], shared: metrics };
  const serving = servingRevision(pods);
  const perPod = metrics.filter(isPerPod);
  const shared = metrics.filter((metric) => !perPod.includes(metric));
  // Its pods are the same as without a delivery, so every metric works unchanged. The selector changes
  // before a metric returns: memory measured over the pods of both revisions would scale up.
  if (serving && !isVertical) {
    const isWaiting = isOurs && isLimited && shared.length > 0;
    return { revision: serving, metrics: isWaiting ? shared : metrics, perPod: [], shared: metrics };
  }
  if (perPod.length === 0) return { metrics, perPod, shared };
  if (isOurs && shared.length > 0) return { metrics: shared, perPod, shared };
  const revision = shared.length > 0 ? mostOfTheLoad(pods) : measuredRevision(pods);
  return { revision, metrics, perPod, shared };
}

/** The revision that has the whole traffic and all pods for it: either one with BlueGreen. */
function servingRevision({ full, replicas, weights }: RevisionPods): string | undefined {
  return Object.keys(replicas).find((name) => replicas[name] === full && weights[name] === 100);
}

export function hasTwoRevisions({ replicas, existing }: RevisionPods): boolean {
  const desired = Object.keys(replicas).filter((name) => replicas[name]! > 0);
  return new Set([...desired, ...existing]).size > 1;
}

/** Whether the ratio of use to target stays the same when pods are added. `Value` is one figure for all pods. */
function isPerPod({ resource, containerResource, external, object }: ScaleMetric): boolean {
  const used = resource ?? containerResource;
  if (used) return used.name !== 'cpu';
  return (external ?? object)?.target?.type === 'Value';
}

/**
 * The selection whose size is nearest to `full`, so that the ratio is multiplied by the same
 * number of pods as without a delivery. Of two equally near, the smaller one, which never scales up
 * by itself, then the one with more ready pods, because an autoscaler counts no others, then the one
 * with more traffic.
 */
function measuredRevision({ full, stable, replicas, ready, weights }: RevisionPods): string | undefined {
  const single = Object.entries(replicas).map(([revision, count]) => ({
    ...{ revision, count, weight: weights[revision] ?? 0, isStable: revision === stable },
    ready: ready[revision] ?? 0,
  }));
  const total = single.reduce((sum, { count }) => sum + count, 0);
  const all = { revision: undefined, count: total, weight: -1, isStable: false, ready: 0 };
  const [best] = [...single, all].sort(
    (a, b) =>
      Math.abs(a.count - full) - Math.abs(b.count - full) ||
      a.count - b.count ||
      b.ready - a.ready ||
      b.weight - a.weight ||
      Number(b.isStable) - Number(a.isStable),
  );
  return best?.revision;
}

/**
 * The pods of one revision have only a share of the load, or only a part of the pods. This is the
 * revision with the largest part, so that the autoscaler scales down as little as possible.
 */
function mostOfTheLoad({ full, replicas, weights, stable }: RevisionPods): string | undefined {
  const measured = (name: string) => Math.min(weights[name] ?? 0, (100 * replicas[name]!) / full);
  const [best] = Object.keys(replicas).sort(
    (a, b) => measured(b) - measured(a) || Number(b === stable) - Number(a === stable),
  );
  return best;
}

/** Names for messages, such as `cpu and memory`. */
export function metricNames(metrics: readonly ScaleMetric[]): string {
  const names = metrics.map(({ type, resource, containerResource, pods, external, object }) => {
    const metric = (pods ?? external ?? object)?.metric;
    return (resource ?? containerResource ?? metric)?.name ?? type ?? 'a metric';
  });
  return [...new Set(names)].join(' and ');
}
