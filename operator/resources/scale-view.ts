/**
 * What an autoscaler of a PcfApi may measure. A HorizontalPodAutoscaler multiplies a metric's
 * ratio by the number of ready pods that the scale subresource selects. With CPU a second revision
 * changes nothing: twice the pods have half the load each. Memory per pod stays as it is, so twice
 * the pods would look like twice the load, and the answer becomes the size of one revision.
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

/** The revisions of a PcfApi that have pods, or are to get some. */
export interface RevisionPods {
  /** Pods that have capacity for the whole traffic: `spec.replicas`, or its default. */
  full: number;
  stable?: string;
  /** Desired pods per revision. */
  replicas: Readonly<Record<string, number>>;
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

/** The one decision about scale subresource and metrics. `isOurs`: the metrics can be changed. */
export function scaleView(
  pods: RevisionPods,
  metrics: readonly ScaleMetric[],
  { isOurs }: { isOurs: boolean },
): ScaleView {
  const perPod = hasTwoRevisions(pods) ? metrics.filter(isPerPod) : [];
  const shared = metrics.filter((metric) => !perPod.includes(metric));
  if (perPod.length === 0) return { metrics, perPod, shared };
  if (isOurs && shared.length > 0) return { metrics: shared, perPod, shared };
  return { revision: measuredRevision(pods), metrics, perPod, shared };
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
 * The selection whose size is nearest to `full`, so that the ratio is multiplied by the pods that
 * there are without a delivery. Of two as near the smaller, which never scales up by itself, then
 * the one with more traffic.
 */
function measuredRevision({ full, stable, replicas, weights }: RevisionPods): string | undefined {
  const single = Object.entries(replicas).map(([revision, count]) => ({
    ...{ revision, count, weight: weights[revision] ?? 0, isStable: revision === stable },
  }));
  const total = single.reduce((sum, { count }) => sum + count, 0);
  const all = { revision: undefined, count: total, weight: -1, isStable: false };
  const [best] = [...single, all].sort(
    (a, b) =>
      Math.abs(a.count - full) - Math.abs(b.count - full) ||
      a.count - b.count ||
      b.weight - a.weight ||
      Number(b.isStable) - Number(a.isStable),
  );
  return best?.revision;
}

/** Names for messages, such as `cpu and memory`. */
export function metricNames(metrics: readonly ScaleMetric[]): string {
  const names = metrics.map(({ type, resource, containerResource, pods, external, object }) => {
    const metric = (pods ?? external ?? object)?.metric;
    return (resource ?? containerResource ?? metric)?.name ?? type ?? 'a metric';
  });
  return [...new Set(names)].join(' and ');
}
