/** JSON for the page: rows of the list, and details of one PcfApi. Pure. */
import type { PcfApi } from '../../api/v1alpha1/pcfapi.js';
import { desiredPods, type PcfApiStatus } from '../../api/v1alpha1/status.js';
import type { Pod } from '../../reconciler/pod-state.js';
import { stagesOf } from '../../reconciler/strategies.js';
import { type EventView, timeOf } from '../event-view.js';
import type { WeightPoint } from '../weight-history.js';
import { authorsOf } from './authors.js';
import { autoscalingLines } from './autoscaling-lines.js';
import { figures } from './figures.js';
import { intervalText } from './interval-text.js';
import { podLines, roleOf } from './pod-lines.js';
import { windowLines } from './window-lines.js';

const EVENTS_SHOWN = 12;

/** A PcfApi in the list. */
export type ListRow = ReturnType<typeof listRow>;
/** Details of a PcfApi. */
export type Detail = ReturnType<typeof detail>;

/** Input of {@link detail}. */
export interface Seen {
  api: PcfApi;
  pods: readonly Pod[];
  events: readonly EventView[];
  weights: readonly WeightPoint[];
}

export function listRow({ metadata, spec, status = {} }: PcfApi) {
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    phase: status.phase ?? ('Pending' as const),
    message: waitingFor(status),
    image: status.stableImage ?? spec.image,
    ...(status.updateImage ? { updateImage: status.updateImage } : {}),
    ...weights(status),
    ready: status.readyReplicas ?? 0,
    replicas: desiredPods(status),
  };
}

export function detail({ api, pods, events, weights: history }: Seen) {
  const { metadata, spec, status = {} } = api;
  const lines = podLines(pods);
  return {
    ...listRow(api),
    ...(status.reason ? { reason: status.reason } : {}),
    /** Time since which the message applies. */
    since: status.since,
    deliveringSince: status.updateRevision ? status.delivery?.startedAt : undefined,
    /** The operator has not observed the last edit yet. */
    behind: status.observedGeneration !== undefined && status.observedGeneration < metadata.generation,
    paused: spec.paused ?? false,
    strategy: spec.strategy?.type ?? 'Canary',
    canaryWeight: spec.canaryWeight,
    delivering: status.updateRevision !== undefined,
    traffic: status.traffic,
    revisions: (status.revisions ?? []).map((revision) => ({
      ...revision,
      role: roleOf(revision.name, status),
      pods: lines.filter((pod) => pod.component === 'api' && pod.revision === revision.name),
    })),
    otherPods: lines.filter(
      (pod) => pod.component !== 'api' || !status.revisions?.some(({ name }) => name === pod.revision),
    ),
    steps: steps(api),
    analysis: analysis(status),
    migration: status.migration,
    failed: status.failed,
    windows: windowLines(status.windows),
    autoscaling: autoscalingLines(status.autoscaling),
    faults: status.conditions?.find(({ type, status: is }) => type === 'Degraded' && is === 'True')?.message,
    history: (status.history ?? []).map((record) => ({ ...record, by: authorsOf(record) })),
    figures: figures(status.history ?? []),
    events: [...events]
      .sort((a, b) => timeOf(b).localeCompare(timeOf(a)))
      .slice(0, EVENTS_SHOWN)
      .map((event) => ({
        at: timeOf(event),
        warning: event.type === 'Warning',
        reason: event.reason ?? '',
        note: event.note ?? '',
        count: event.series?.count ?? 1,
      })),
    weights: history,
  };
}

/** Message of the Ready condition. */
function waitingFor({ conditions = [] }: PcfApiStatus): string {
  const ready = conditions.find(({ type }) => type === 'Ready');
  return ready?.message ?? 'the operator has not reconciled it yet';
}

function analysis({ analysis: seen }: PcfApiStatus) {
  if (!seen) return undefined;
  const metrics = seen.metrics.map((metric) =>
    metric.sequential ? { ...metric, interval: intervalText(metric.sequential) } : metric,
  );
  return { ...seen, metrics };
}

/** Only during a delivery, or if an aborted revision still receives traffic. */
function weights({ traffic, updateRevision }: PcfApiStatus): { desired?: number; effective?: number } {
  if (!traffic || (!updateRevision && traffic.desiredWeight === traffic.effectiveWeight)) return {};
  return { desired: traffic.desiredWeight, effective: traffic.effectiveWeight };
}

/** Steps of the delivery in progress, with their state. */
function steps({ spec, status }: PcfApi) {
  const seen = status?.step;
  if (!seen) return undefined;
  return {
    ...seen,
    stages: stagesOf(spec).map(({ weight, holdMs, pause }, index) => ({
      weight,
      holdMs,
      pause,
      analysis: stepMetrics(spec, index),
      state:
        index < seen.index ? ('done' as const) : index === seen.index ? ('now' as const) : ('ahead' as const),
    })),
  };
}

function stepMetrics({ strategy }: PcfApi['spec'], index: number): string[] {
  return strategy?.type === 'BlueGreen' ? [] : (strategy?.canary?.steps?.[index]?.analysis ?? []);
}
