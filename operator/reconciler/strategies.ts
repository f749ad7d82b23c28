/** The spec of a PcfApi as the planner reads it: every strategy is reduced to stages, pods and delays. */
import { fullReplicas } from '../api/v1alpha1/defaults.js';
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import { APPROVAL_FIELD_MANAGER, FIELD_MANAGER, GROUP, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import { schemaCheckOf } from '../api/v1alpha1/spec/schema-check.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import type { DeliverySpec, Requests, Stage, StrategyType } from '../delivery/delivery-spec.js';
import { isWorkerDelivered, podRange } from '../resources/component-autoscaler.js';
import { lastOtherManager } from '../runtime/managed-fields.js';
import type { TrafficRouter } from '../traffic/router.js';
import { stickyCookie } from '../traffic/sticky-rules.js';

/** Envoy applies a pushed route within a second. Twice that is a safety margin. */
const SETTLE_MS = 2_000;
const DEFAULT_RETIRE_DELAY = { Canary: '30s', BlueGreen: '5m', RollingUpdate: '0s' } as const;
const DEFAULT_CONTRACT_DELAY = '1h';
const DEFAULT_PROGRESS_DEADLINE = '10m';

/** Annotations with requests for one delivery, see {@link Requests}. */
export const REQUEST_ANNOTATIONS = {
  promote: `${GROUP}/promote`,
  abort: `${GROUP}/abort`,
  retry: `${GROUP}/retry`,
  approve: `${GROUP}/approve-migrations`,
  approveSchema: `${GROUP}/approve-schema`,
  decidedBy: `${GROUP}/decided-by`,
} as const satisfies Record<keyof Requests, string>;

type StrategySettings = Pick<
  DeliverySpec,
  'stages' | 'canaryPods' | 'mirror' | 'maxSurge' | 'maxUnavailable' | 'retireDelayMs'
>;

/** `hasApprovalLinks`: whether this operator serves approval links. */
export function deliverySpecOf(api: PcfApi, router: TrafficRouter, hasApprovalLinks = false): DeliverySpec {
  const { spec, metadata } = api;
  const strategy = spec.strategy?.type ?? 'Canary';
  const annotations = metadata.annotations ?? {};
  return {
    strategy,
    replicas: fullReplicas(spec),
    canaryWeight: spec.canaryWeight,
    paused: spec.paused ?? false,
    split: router.split,
    settleMs: SETTLE_MS,
    progressDeadlineMs: durationMs(spec.progressDeadline ?? DEFAULT_PROGRESS_DEADLINE),
    requests: {
      promote: annotations[REQUEST_ANNOTATIONS.promote],
      abort: annotations[REQUEST_ANNOTATIONS.abort],
      retry: annotations[REQUEST_ANNOTATIONS.retry],
      approve: annotations[REQUEST_ANNOTATIONS.approve],
      approveSchema: annotations[REQUEST_ANNOTATIONS.approveSchema],
      decidedBy: promotedBy(api),
    },
    ...announcedApprovals(spec, hasApprovalLinks),
    schemaCheck: schemaCheckOf(spec),
    ...workerCanary(spec),
    approval: spec.migrations?.mode === 'Manual',
    contractDelayMs:
      spec.migrations?.mode === 'Disabled'
        ? undefined
        : durationMs(spec.migrations?.contractDelay ?? DEFAULT_CONTRACT_DELAY),
    stickyCookie: stickyCookie(api)?.name,
    ...strategySettings[strategy](spec),
  };
}

/** The user that a link names; the field manager if another one has set one of the annotations. */
function promotedBy({ metadata: { annotations = {}, managedFields } }: PcfApi): string | undefined {
  const { promote, decidedBy } = REQUEST_ANNOTATIONS;
  const fields = [promote, decidedBy].map((name) => ['f:metadata', 'f:annotations', `f:${name}`]);
  const manager = managedFields?.length
    ? lastOtherManager(managedFields, FIELD_MANAGER, fields)
    : APPROVAL_FIELD_MANAGER;
  return manager === APPROVAL_FIELD_MANAGER ? annotations[decidedBy] : manager;
}

function announcedApprovals(
  { notifications }: PcfApiSpec,
  hasLinks: boolean,
): Pick<DeliverySpec, 'announceApprovals'> {
  const { webhooks = [], grafana, approvalLinks } = notifications ?? {};
  const isAnnounced = [...webhooks, ...(grafana ? [grafana] : [])].some(({ events }) =>
    events.includes('ApprovalRequested'),
  );
  if (!isAnnounced) return {};
  const linksExpireAfterMs = approvalLinks && hasLinks ? durationMs(approvalLinks.expiresAfter) : undefined;
  return { announceApprovals: { ...(linksExpireAfterMs === undefined ? {} : { linksExpireAfterMs }) } };
}

function workerCanary({ components }: PcfApiSpec): Pick<DeliverySpec, 'workers'> {
  const { worker } = components ?? {};
  if (!worker || !isWorkerDelivered({ components })) return {};
  return { workers: { replicas: podRange(worker).max, minWeight: worker.canary?.minWeight ?? 1 } };
}

/** The steps of the strategy, before 100. */
export function stagesOf(spec: PcfApiSpec): readonly Stage[] {
  return strategySettings[spec.strategy?.type ?? 'Canary'](spec).stages;
}

const strategySettings: Record<StrategyType, (spec: PcfApiSpec) => StrategySettings> = {
  Canary: canary,
  BlueGreen: blueGreen,
  RollingUpdate: rollingUpdate,
};

function canary(spec: PcfApiSpec): StrategySettings {
  const { steps = [], replicas, mirror, maxSurge, scaleDownDelay } = spec.strategy?.canary ?? {};
  return {
    stages: steps.map(({ weight, hold, pause }) => ({ weight, holdMs: hold ? durationMs(hold) : 0, pause })),
    canaryPods: replicas ?? 'share',
    ...(mirror === undefined ? {} : { mirror }),
    maxSurge: maxSurge === undefined ? undefined : Math.max(1, podsOf(maxSurge, spec, Math.ceil)),
    maxUnavailable: 0,
    retireDelayMs: durationMs(scaleDownDelay ?? DEFAULT_RETIRE_DELAY.Canary),
  };
}

/** One stage, in which all pods are ready and get no traffic. Then the whole traffic at once. */
function blueGreen({ strategy }: PcfApiSpec): StrategySettings {
  const { autoPromote = true, scaleDownDelay } = strategy?.blueGreen ?? {};
  return {
    stages: [{ weight: 0, holdMs: 0, pause: !autoPromote }],
    canaryPods: 'full',
    maxUnavailable: 0,
    retireDelayMs: durationMs(scaleDownDelay ?? DEFAULT_RETIRE_DELAY.BlueGreen),
  };
}

/** A canary whose weight is its share of the pods, without stages. */
function rollingUpdate(spec: PcfApiSpec): StrategySettings {
  const { maxSurge = 1, maxUnavailable = 0 } = spec.strategy?.rollingUpdate ?? {};
  return {
    stages: [],
    canaryPods: 'share',
    maxSurge: podsOf(maxSurge, spec, Math.ceil),
    maxUnavailable: podsOf(maxUnavailable, spec, Math.floor),
    retireDelayMs: durationMs(DEFAULT_RETIRE_DELAY.RollingUpdate),
  };
}

function podsOf(value: number | string, spec: PcfApiSpec, round: (pods: number) => number): number {
  const number = Number.parseInt(String(value), 10);
  return String(value).endsWith('%') ? round((number * fullReplicas(spec)) / 100) : number;
}
