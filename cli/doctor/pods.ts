/** The pods that the checks of a running PcfApi read. */
import { type Pod, reportsReady } from '../../operator/reconciler/pod-state.js';
import { PodKind } from '../../operator/resources/kinds.js';
import { podSelector, selectorString } from '../../operator/resources/metadata.js';
import type { Subject } from './types.js';

/** Pods of the stable revision that run, ready ones first. */
export async function runningPods({ client, api }: Subject): Promise<Pod[]> {
  const { stableRevision } = api.status ?? {};
  const labelSelector = selectorString(podSelector(api, stableRevision));
  const { items } = await client.list(PodKind, { namespace: api.metadata.namespace, labelSelector });
  const running = (items as Pod[]).filter(
    ({ status, metadata }) => status?.phase === 'Running' && !metadata.deletionTimestamp,
  );
  return running.toSorted((a, b) => Number(reportsReady(b)) - Number(reportsReady(a)));
}
