import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import { type Moment, readyPods } from './invariants/moment.js';
import { ModelCluster } from './model-cluster.js';
import type { Labelled } from './random-history.js';

/** Runs the steps of a history on a new cluster, and passes each reconcile to `check`. */
export function replay(
  { with: settings, windowMs, steps }: { with: Partial<DeliverySpec>; windowMs?: number; steps: Labelled[] },
  check: (moment: Moment) => void = () => {},
): ModelCluster {
  const cluster = new ModelCluster(settings, windowMs);
  for (const { run } of steps) {
    const observation = cluster.observe();
    const readyBefore = readyPods(cluster);
    const routeBefore = cluster.route;
    const { settings } = cluster.shown();
    const plan = run(cluster);
    if (plan) check({ observation, settings, plan, readyBefore, routeBefore, cluster });
  }
  return cluster;
}

/** Ends the disturbances, and reconciles with healthy pods until the delivery has had time to end. */
export function settleCalm(cluster: ModelCluster): void {
  cluster.calm();
  for (let round = 0; round < 60; round++) {
    cluster.reconcile();
    cluster.heal();
    cluster.request('promote');
    cluster.pass(301_000);
  }
}
