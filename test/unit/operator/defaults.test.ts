import assert from 'node:assert/strict';
import { isReplicasDefault } from '../../../operator/api/v1alpha1/defaults.js';
import type { ManagedFields } from '../../../operator/runtime/kube-types.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const fieldsV1 = { 'f:spec': { 'f:replicas': {} } };
const setBy = (manager: string, subresource?: string) =>
  ({ manager, subresource, fieldsV1 }) as ManagedFields;

function isDefault(replicas: number | undefined, managedFields?: ManagedFields[]): boolean {
  const api = pcfApi({ replicas });
  return isReplicasDefault({ ...api, metadata: { ...api.metadata, managedFields } });
}

describe('isReplicasDefault', () => {
  const operator = setBy('pcf-operator');

  it('is true only if the operator is the only field manager of spec.replicas', () => {
    assert.equal(isDefault(3, [operator]), true);
    assert.equal(isDefault(3, [setBy('kubectl', 'scale')]), false);
    assert.equal(isDefault(3, [setBy('kube-controller-manager', 'scale')]), false);
    assert.equal(isDefault(3, [operator, setBy('argocd-controller')]), false);
  });

  it('is false for a manifest without managedFields, and if replicas is not set', () => {
    assert.equal(isDefault(3), false);
    assert.equal(isDefault(undefined, [operator]), false);
  });
});
