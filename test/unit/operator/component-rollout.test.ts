import assert from 'node:assert/strict';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { updatingDeployments } from '../../../operator/reconciler/component-rollout.js';
import { components } from '../../../operator/resources/components.js';
import { newRevision } from '../../../operator/resources/revision.js';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-types.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

describe('updatingDeployments', () => {
  const spec = pcfApi({ components: { worker: { enabled: true, replicas: 1 } } });
  const stable = newRevision(spec, 1);
  const api: PcfApi = { ...spec, status: { delivery: { stable: stable.name } } };
  const other = newRevision({ ...spec, spec: { ...spec.spec, image: 'r/api:2' } }, 2);
  const findUpdating = (...objects: KubeObject[]) =>
    updatingDeployments(api, {
      get: ({ kind }: ResourceType, _api: PcfApi, name: string) =>
        objects.find((object) => object.kind === kind && object.metadata.name === name),
      ownedBy: ({ kind }: ResourceType) => objects.filter((object) => object.kind === kind),
    });
  const worker = (of = stable, status?: object): KubeObject => {
    const [made] = components(api, of);
    return { ...made!, metadata: { ...made!.metadata, generation: 3 }, ...(status ? { status } : {}) };
  };
  const rolled = (reason: string, observedGeneration = 3) => ({
    observedGeneration,
    conditions: [{ type: 'Progressing', status: 'True', reason }],
  });

  it('returns a component until the rollout of its Deployment to the stable revision is complete', () => {
    const name = `${api.metadata.name}-worker`;
    assert.deepEqual(findUpdating(worker()), [name], 'no status yet');
    assert.deepEqual(findUpdating(worker(stable, rolled('ReplicaSetUpdated'))), [name]);
    assert.deepEqual(findUpdating(worker(stable, rolled('ProgressDeadlineExceeded'))), [name]);
    assert.deepEqual(
      findUpdating(worker(stable, rolled('NewReplicaSetAvailable', 2))),
      [name],
      'status of an older generation',
    );
    assert.deepEqual(
      findUpdating(worker(other, rolled('NewReplicaSetAvailable'))),
      [name],
      'template of another revision',
    );
    assert.deepEqual(findUpdating(worker(stable, rolled('NewReplicaSetAvailable'))), []);
  });

  it('returns nothing if no Deployment exists', () => {
    assert.deepEqual(findUpdating(), []);
  });
});
