/** Whether status and cluster say the same, once nothing is under way. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pod } from '../../operator/reconciler/pod-state.js';
import { DeploymentKind, PodKind, VirtualServiceKind } from '../../operator/resources/kinds.js';
import { LABELS } from '../../operator/resources/metadata.js';
import type { TestApi } from '../support/pcf-api.js';

interface Asked {
  spec: { replicas: number };
  status?: { readyReplicas?: number };
}

/** Of what is counted by somebody else, such as a Deployment's ready pods, the count may be on its way. */
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

/** Reads the cluster again. Throws where they differ. */
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
    revisions?.map(({ name, replicas: asked, readyReplicas: ready }) => [name, asked, ready]),
    deployments
      .filter(({ metadata }) => metadata.labels?.[LABELS.revision])
      .map(({ metadata, ...object }) => {
        const { spec, status } = object as unknown as Asked;
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
