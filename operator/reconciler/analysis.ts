/** Whether, of what and by what a delivery is judged. */
import type { AnalysisOutcome, Analyst } from '../analysis/analyst.js';
import type { AnalysisSpec } from '../api/v1alpha1/spec/analysis.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import { keyOf } from '../runtime/store.js';
import type { Observed } from './observe.js';

/**
 * A look at the analysis of the revision on its way; undefined when there is nothing to
 * judge: no delivery, the way to the first stable revision, an undo. It begins with the
 * revision's first ready pod, and goes on when that goes away.
 */
export function analyse(seen: Observed, analyst: Analyst, now: number): AnalysisOutcome | undefined {
  const { api, delivery } = seen;
  const { update, stable, undo, startedAt, step = 0 } = delivery.position;
  const analysis = analysisOf(api.spec);
  const canary = delivery.revisions.find(({ name }) => name === update);
  const before = api.status?.analysis;
  const begun = before?.revision === update && before?.startedAt === startedAt;
  if (!analysis || !update || !stable || undo || !canary || (canary.ready === 0 && !begun)) {
    analyst.forget(keyOf(api));
    return undefined;
  }
  const { namespace, name } = api.metadata;
  const subject = {
    ...{ namespace, name, revision: update, stableRevision: stable, startedAt },
    image: seen.revisions.get(update)?.image ?? api.spec.image,
    weight: delivery.route?.weights[update] ?? 0,
  };
  const steps = api.spec.strategy?.type === 'BlueGreen' ? [] : api.spec.strategy?.canary?.steps;
  return analyst.look(keyOf(api), { api, analysis, subject, steps, step, before }, now);
}

function analysisOf({ strategy }: PcfApiSpec): AnalysisSpec | undefined {
  if (strategy?.type === 'RollingUpdate') return undefined;
  return strategy?.type === 'BlueGreen' ? strategy.blueGreen?.analysis : strategy?.canary?.analysis;
}
