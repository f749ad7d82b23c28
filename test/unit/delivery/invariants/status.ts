/** The status that the operator reports for the plan. */
import assert from 'node:assert/strict';
import { reportStatus } from '../model-status.js';
import type { Invariants } from './moment.js';

export const statusInvariants: Invariants = {
  'the status reports the planned weight, and a reason if it differs from the desired weight'(moment) {
    const { plan, observation, cluster } = moment;
    const { summary, status } = reportStatus(cluster, observation, plan);
    assert.ok(summary.reason && summary.message && !/undefined|NaN/.test(summary.message), summary.message);
    const { desiredWeight, effectiveWeight, verified, reason } = status.traffic!;
    if (plan.position.update && plan.route && !plan.route.byPods)
      assert.equal(effectiveWeight, plan.route.weights[plan.position.update] ?? 0);
    if (desiredWeight !== effectiveWeight || !verified) assert.ok(reason, 'the traffic has no reason');
    const isTrue = (type: string) => status.conditions?.find((one) => one.type === type)?.status === 'True';
    assert.equal(['Ready', 'Reconciling', 'Stalled'].filter(isTrue).length, 1);
    const stable = observation.revisions.find((view) => view.name === plan.position.stable);
    const isUnavailable = stable?.ready === 0 && (plan.replicas[stable.name] ?? 0) > 0;
    const degraded = status.conditions!.find(({ type }) => type === 'Degraded')!;
    assert.equal(degraded.reason === 'StableUnavailable', isUnavailable);
    const isWeak = stable !== undefined && stable.ready < (plan.replicas[stable.name] ?? 0);
    if (isWeak || status.phase === 'Degraded') assert.equal(degraded.status, 'True', status.phase);
    assert.equal(plan.position.failed !== undefined, status.failed?.reason !== undefined);
  },
};
