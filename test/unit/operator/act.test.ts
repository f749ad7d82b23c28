import assert from 'node:assert/strict';
import { Actor } from '../../../operator/reconciler/act.js';
import type { Caches } from '../../../operator/reconciler/caches.js';
import type { Applier } from '../../../operator/runtime/apply.js';
import { KubeApiError, type KubeClient } from '../../../operator/runtime/kube-client.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { pcfApi } from '../../support/fixtures.js';

const denied = new KubeApiError(422, 'Invalid', 'memory limit must not be below the request');
const objects = ['ConfigMap', 'VirtualService', 'Deployment', 'NetworkPolicy'].map(
  (kind) => ({ kind, metadata: { name: 'api', namespace: 'platform' } }) as KubeObject,
);

/** An actor whose API server rejects writes of one kind, and what it wrote. */
function rejecting(rejected: string) {
  const written: string[] = [];
  const applier = {
    apply: async (_type: unknown, { kind }: KubeObject) => {
      if (kind === rejected) throw denied;
      written.push(kind);
      return { outcome: 'written' };
    },
  } as unknown as Applier;
  const caches = { get: () => undefined } as unknown as Caches;
  return { written, actor: new Actor({} as KubeClient, applier, caches) };
}

describe('Actor.setReplicas', () => {
  it('patches the object itself, as managedFields do not record a first write to its scale', async () => {
    const sent: unknown[] = [];
    const client = {
      patch: async (...[, , , patch, options]: Parameters<KubeClient['patch']>) => {
        sent.push(patch, options);
        return {};
      },
    } as unknown as KubeClient;
    const caches = { pcfApis: { noteWrite: () => undefined } } as unknown as Caches;
    await new Actor(client, {} as Applier, caches).setReplicas(pcfApi(), null);
    assert.deepEqual(sent, [
      { metadata: { resourceVersion: '7' }, spec: { replicas: null } },
      { fieldManager: 'pcf-operator' },
    ]);
  });
});

describe('Actor.apply', () => {
  it('writes everything else and reports the failure where pods are rejected, so that removals continue', async () => {
    const { actor, written } = rejecting('Deployment');
    const { failure, routeChanged } = await actor.apply(pcfApi(), objects);
    assert.equal(failure, denied);
    assert.equal(routeChanged, true);
    assert.deepEqual(written, ['ConfigMap', 'VirtualService', 'NetworkPolicy']);
  });

  it('stops where the route is rejected: the pods it still selects must stay', async () => {
    const { actor, written } = rejecting('VirtualService');
    await assert.rejects(actor.apply(pcfApi(), objects), denied);
    assert.deepEqual(written, ['ConfigMap']);
  });
});
