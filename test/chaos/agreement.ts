/** Compares the status with the cluster when no change is in progress. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pod } from '../../operator/reconciler/pod-state.js';
import { DeploymentKind, PodKind, VirtualServiceKind } from '../../operator/resources/kinds.js';
import { LABELS } from '../../operator/resources/metadata.js';
import type { TestApi } from '../support/cluster/pcf-api.js';

interface DeploymentView {
  spec: { replicas: number };
  status?: { readyReplicas?: number };
}

/** Retries until the timeout, because counts of other controllers, such as ready pods of a Deployment, can lag. */
export async function assertAgreement(api: TestApi, timeoutMs = 5_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await compare(api);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

/** Reads the cluster from scratch. Throws if it differs from the status. */
async function compare(api: TestApi): Promise<void> {
  const [deployments, pods, route] = await Promise.all([
    api.owned(DeploymentKind),
    api.owned(PodKind),
    api.specOf<{ http: { name: string; route: { destination: { subset?: string }; weight: number }[] }[] }>(
      VirtualServiceKind,
    ),
  ]);
  const { stableRevision, stableImage, revisions, traffic, replicas, readyReplicas } = api.status;
  assert.deepEqual(
    revisions?.map(({ name, replicas: desired, readyReplicas: ready }) => [name, desired, ready]),
    deployments
      .filter(({ metadata }) => metadata.labels?.[LABELS.revision])
      .map(({ metadata, ...object }) => {
        const { spec, status } = object as unknown as DeploymentView;
        return [metadata.name, spec.replicas, status?.readyReplicas];
      }),
  );
  const running = (pods as Pod[])
    .filter(({ metadata }) => metadata.labels?.[LABELS.component] === 'api')
    .map(({ metadata, spec, status }) => [
      metadata.labels?.[LABELS.revision],
      (spec as { containers: { image: string }[] }).containers[0]?.image,
      status?.conditions?.find(({ type }) => type === 'Ready')?.status,
    ]);
  assert.deepEqual(
    running,
    Array.from({ length: replicas! }, () => [stableRevision, stableImage, 'True']),
  );
  assert.equal(readyReplicas, replicas);
  assert.deepEqual(
    route.http.map(({ name, route: to }) => [name, to.map((one) => [one.destination.subset, one.weight])]),
    [['primary', [[stableRevision, 100]]]],
  );
  assert.equal(traffic?.verified, true);
}
