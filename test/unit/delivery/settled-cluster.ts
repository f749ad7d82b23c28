import assert from 'node:assert/strict';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import { deliverySettings } from '../../support/cluster/delivery-settings.js';
import { ModelCluster } from './model-cluster.js';

export const step = (weight: number, rest: { holdMs?: number; pause?: boolean } = {}) => ({
  weight,
  holdMs: 0,
  pause: false,
  ...rest,
});
export const MINUTE = 60_000;

/** A cluster in which `old` is stable and has all of the traffic. */
export function settledOn(settings: Partial<DeliverySpec>): ModelCluster {
  const cluster = new ModelCluster({ ...settings, stages: [], strategy: 'Canary', canaryPods: 'share' });
  cluster.target = 'old';
  settle(cluster);
  assert.equal(cluster.position.stable, 'old');
  Object.assign(cluster.settings, deliverySettings({ settleMs: 2_000, ...settings }));
  return cluster;
}

/** Reconciles and makes every pod ready, until nothing changes. */
export function settle(cluster: ModelCluster): void {
  for (let round = 0; round < 40; round++) {
    cluster.reconcile();
    cluster.heal();
    cluster.now += 2_100;
  }
}

export const weightOf = (cluster: ModelCluster, name: string) => cluster.route?.weights[name] ?? 0;
