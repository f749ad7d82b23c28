/** The analysis of a delivery: whether there is one, its subject, and its metrics. */
import type { AnalysisOutcome, Analyst } from '../analysis/analyst.js';
import type { AnalysisStep } from '../analysis/plan-metrics.js';
import { fullReplicas } from '../api/v1alpha1/defaults.js';
import type { AnalysisSpec } from '../api/v1alpha1/spec/analysis.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import { keyOf } from '../runtime/store.js';
import type { Observed } from './observed.js';

/**
 * The outcome of the analysis so far; undefined without a delivery, for the first revision, and for an undo.
 * The analysis starts when enough pods of the revision are ready, and continues if they become unready.
 */
export function analyse(observed: Observed, analyst: Analyst, now: number): AnalysisOutcome | undefined {
  const { api, delivery } = observed;
  const { update, stable, undo, startedAt } = delivery.position;
  const analysis = analysisOf(api.spec);
  const canary = delivery.revisions.find(({ name }) => name === update);
  const before = api.status?.analysis;
  const isStarted = before?.revision === update && before?.startedAt === startedAt;
  const canBeJudged = canary !== undefined && (isStarted || canary.ready >= podsToJudge(api.spec));
  if (!analysis || !update || !stable || undo || !canBeJudged) {
    analyst.forget(keyOf(api));
    return undefined;
  }
  const { namespace, name } = api.metadata;
  const subject = {
    ...{ namespace, name, revision: update, stableRevision: stable, startedAt },
    image: observed.revisions.get(update)?.image ?? api.spec.image,
    weight: delivery.route?.weights[update] ?? 0,
  };
  const steps = stepsOf(api.spec, analysis);
  const at = effectiveStep(api.spec, delivery.position);
  return analyst.look(keyOf(api), { api, analysis, subject, steps, ...at, before }, now);
}

/** The step whose share is effective. The metrics of the step also judge a live weight. */
function effectiveStep({ canaryWeight }: PcfApiSpec, { step = 0, stepSince }: DeliveryPosition) {
  return stepSince !== undefined || canaryWeight !== undefined ? { step, stepSince } : {};
}

/** A canary is judged from its first ready pod on. Blue-green switches the whole traffic, so all pods are judged before. */
function podsToJudge(spec: PcfApiSpec): number {
  return isBlueGreen(spec) ? Math.max(1, fullReplicas(spec)) : 1;
}

/**
 * The steps that name metrics. Blue-green has one step, before the switch: its Jobs are smoke tests of that step,
 * which are not repeated while it waits for promotion.
 */
function stepsOf(spec: PcfApiSpec, { metrics }: AnalysisSpec): readonly AnalysisStep[] | undefined {
  if (!isBlueGreen(spec)) return spec.strategy?.canary?.steps;
  return [{ analysis: metrics.filter(({ job }) => job).map(({ name }) => name) }];
}

function isBlueGreen({ strategy }: PcfApiSpec): boolean {
  return strategy?.type === 'BlueGreen';
}

function analysisOf(spec: PcfApiSpec): AnalysisSpec | undefined {
  const { type, canary, blueGreen } = spec.strategy ?? {};
  if (type === 'RollingUpdate') return undefined;
  return isBlueGreen(spec) ? blueGreen?.analysis : canary?.analysis;
}
