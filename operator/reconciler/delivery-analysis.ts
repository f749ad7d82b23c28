/** Whether, of what and by what a delivery is judged. */
import type { AnalysisOutcome, Analyst } from '../analysis/analyst.js';
import type { AnalysisStep } from '../analysis/plan-metrics.js';
import { fullReplicas } from '../api/v1alpha1/defaults.js';
import type { AnalysisSpec } from '../api/v1alpha1/spec/analysis.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import { keyOf } from '../runtime/store.js';
import type { Observed } from './observed.js';

/**
 * A look at the analysis of the revision on its way; undefined when there is nothing to
 * judge: no delivery, the way to the first stable revision, an undo. It begins when enough
 * pods of the revision are ready, and continues when they go away.
 */
export function analyse(seen: Observed, analyst: Analyst, now: number): AnalysisOutcome | undefined {
  const { api, delivery } = seen;
  const { update, stable, undo, startedAt } = delivery.position;
  const analysis = analysisOf(api.spec);
  const canary = delivery.revisions.find(({ name }) => name === update);
  const before = api.status?.analysis;
  const begun = before?.revision === update && before?.startedAt === startedAt;
  const canBeJudged = canary !== undefined && (begun || canary.ready >= podsToJudge(api.spec));
  if (!analysis || !update || !stable || undo || !canBeJudged) {
    analyst.forget(keyOf(api));
    return undefined;
  }
  const { namespace, name } = api.metadata;
  const subject = {
    ...{ namespace, name, revision: update, stableRevision: stable, startedAt },
    image: seen.revisions.get(update)?.image ?? api.spec.image,
    weight: delivery.route?.weights[update] ?? 0,
  };
  const steps = stepsOf(api.spec, analysis);
  const at = stepInForce(api.spec, delivery.position);
  return analyst.look(keyOf(api), { api, analysis, subject, steps, ...at, before }, now);
}

/** The step whose share is in force. A live weight is in force whatever the step, and the metrics of the step judge it too. */
function stepInForce({ canaryWeight }: PcfApiSpec, { step = 0, stepSince }: DeliveryPosition) {
  return stepSince !== undefined || canaryWeight !== undefined ? { step, stepSince } : {};
}

/** A canary is judged from its first pod on. Blue-green is one switch of everything: what is tried before it is all of it. */
function podsToJudge(spec: PcfApiSpec): number {
  return isBlueGreen(spec) ? Math.max(1, fullReplicas(spec)) : 1;
}

/**
 * What names metrics. Blue-green has one step, the one before the switch: its Jobs are
 * smoke tests of that step, not to be run again for as long as somebody lets it wait.
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
