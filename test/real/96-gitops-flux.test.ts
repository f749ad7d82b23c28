import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { KubeObject, ResourceType } from '../../operator/runtime/kube-client.js';
import { objectsIn } from '../support/cluster/helm.js';
import { eventually } from '../support/cluster/pcf-api.js';
import { FLUX_NAMESPACE, startFlux } from './gitops/flux.js';
import { Platform } from './gitops/platform.js';

const GitRepositoryKind: ResourceType = {
  ...{ group: 'source.toolkit.fluxcd.io', version: 'v1', kind: 'GitRepository', plural: 'gitrepositories' },
  namespaced: true,
};
const KustomizationKind: ResourceType = {
  ...{ group: 'kustomize.toolkit.fluxcd.io', version: 'v1', kind: 'Kustomization', plural: 'kustomizations' },
  namespaced: true,
};

const REQUESTED = 'reconcile.fluxcd.io/requestedAt';

interface FluxObject extends KubeObject {
  status?: {
    lastHandledReconcileAt?: string;
    lastAppliedRevision?: string;
    conditions?: { type: string; status: string; reason: string; message: string }[];
  };
}

/** The Kustomization of deploy/flux/pcf.yaml, for the PcfApi of the scenarios. */
function kustomization({ namespace }: Platform): object {
  const objects = objectsIn(readFileSync('deploy/flux/pcf.yaml', 'utf8'));
  const object = objects.find(({ kind }) => kind === 'Kustomization')!;
  const spec = object.spec as { healthChecks: object[] };
  const [check] = spec.healthChecks;
  return {
    ...object,
    spec: { ...spec, healthChecks: [{ ...check, name: 'api', namespace }] },
  };
}

describe('Flux with the Kustomization of deploy/flux/pcf.yaml', function () {
  this.timeout(300_000);
  let platform: Platform;
  let requests = 0;

  before(async function () {
    this.timeout(600_000);
    platform = await Platform.start('flux');
    await startFlux(platform.cluster);
  });

  const live = (type: ResourceType, name: string) =>
    platform.cluster.client.get(type, FLUX_NAMESPACE, name) as Promise<FluxObject>;

  /** As `flux reconcile` does. Resolves when it is handled. */
  async function request(type: ResourceType, name: string): Promise<void> {
    const at = `request-${++requests}`;
    const patch = { metadata: { annotations: { [REQUESTED]: at } } };
    await platform.cluster.client.patch(type, FLUX_NAMESPACE, name, patch);
    await eventually(`${type.kind} is reconciled`, async () => {
      return (await live(type, name)).status?.lastHandledReconcileAt === at;
    });
  }

  const fetchCommits = () => request(GitRepositoryKind, 'flux-system');
  const sync = () => request(KustomizationKind, 'platform');

  async function condition(
    what: string,
    check: (ready: { status: string; reason: string; message: string }, revision: string) => boolean,
  ): Promise<void> {
    let last: FluxObject | undefined;
    const isTrue = async () => {
      last = await live(KustomizationKind, 'platform');
      const ready = last.status?.conditions?.find(({ type }) => type === 'Ready');
      return ready !== undefined && check(ready, last.status?.lastAppliedRevision ?? '');
    };
    await eventually(what, isTrue, 60_000, 200).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(last?.status)}`);
    });
  }

  const applied = (commit: string) =>
    condition(
      `${commit} is applied and healthy`,
      ({ status }, revision) => status === 'True' && revision.endsWith(commit),
    );

  it('a commit creates the PcfApi, and the Kustomization waits for its migration before it is Ready', async () => {
    const commit = platform.commit({ version: '1.0.0' });
    const finishMigrations = platform.cluster.kubelet.holdMigrations();
    const url = platform.git.url;
    await platform.cluster.sandbox.parts.kubectl.apply([
      {
        apiVersion: 'source.toolkit.fluxcd.io/v1',
        kind: 'GitRepository',
        metadata: { name: 'flux-system', namespace: FLUX_NAMESPACE },
        spec: { interval: '1h', url, ref: { branch: 'main' } },
      },
      kustomization(platform),
    ]);
    await platform.until('the migration runs', ({ status }) => status?.phase === 'Migrating');
    await condition('the health check waits', ({ status }) => status === 'Unknown');
    finishMigrations();
    await platform.promoted('1.0.0');
    await applied(commit);
  });

  it('a commit with a new image starts a canary, and the Kustomization is Ready while it waits for the promotion', async () => {
    const commit = platform.commit({ version: '1.1.0' });
    await fetchCommits();
    await platform.weightInEffect('1.1.0', 20);
    await applied(commit);
  });

  it('keeps a weight and a pause that were set with kubectl pcf', async () => {
    await platform.pcf('weight', '40');
    await platform.pcf('pause');
    await sync();
    const { spec } = await platform.api();
    assert.deepEqual([spec.canaryWeight, (spec as { paused?: boolean }).paused], [40, true]);
    await platform.pcf('resume');
    await platform.weightInEffect('1.1.0', 40);
  });

  it('reverts a manual edit of a field in Git, and the operator reports no repair loop', async () => {
    await platform.edit({ replicas: 3 });
    await sync();
    await platform.until(
      'replicas are reverted',
      ({ spec }) => (spec as { replicas?: number }).replicas === 1,
    );
    await platform.weightInEffect('1.1.0', 40);
    await platform.expectNoRepairLoop();
  });

  it('in steady state neither the operator nor Flux writes during three syncs', async () => {
    await platform.expectNoWrites(sync);
  });

  it('removes a weight set with kubectl edit, and keeps it with the annotation ssa: Merge', async () => {
    await platform.edit({ canaryWeight: 60 });
    await platform.weightInEffect('1.1.0', 60);
    await sync();
    await platform.until('the weight is removed', ({ spec }) => spec.canaryWeight === undefined);
    const annotations = { 'kustomize.toolkit.fluxcd.io/ssa': 'Merge' };
    const commit = platform.commit({ version: '1.1.0', annotations });
    await fetchCommits();
    await applied(commit);
    await platform.edit({ canaryWeight: 60 });
    await sync();
    assert.equal((await platform.api()).spec.canaryWeight, 60);
  });

  it('an aborted delivery fails the health check at the next sync, and a revert in Git succeeds', async () => {
    await platform.pcf('abort');
    await platform.until('Stalled', ({ status }) =>
      Boolean(status?.conditions?.some(({ type, status: value }) => type === 'Stalled' && value === 'True')),
    );
    await sync();
    await condition('the health check fails', ({ status, reason }) => {
      return status === 'False' && reason === 'HealthCheckFailed';
    });
    const commit = platform.commit({ version: '1.0.0' });
    await fetchCommits();
    await platform.promoted('1.0.0');
    await applied(commit);
  });

  it('with the weight in Git, applies it, and reverts a manual edit with one write', async () => {
    const commit = platform.commit({ version: '1.2.0', canaryWeight: 20 });
    await fetchCommits();
    await platform.weightInEffect('1.2.0', 20);
    await applied(commit);
    await platform.expectSingleRevert(60, sync);
    await platform.weightInEffect('1.2.0', 20);
    await platform.expectNoRepairLoop();
  });
});
