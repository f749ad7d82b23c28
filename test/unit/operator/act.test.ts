import assert from 'node:assert/strict';
import { Actor } from '../../../operator/reconciler/act.js';
import type { Caches } from '../../../operator/reconciler/caches.js';
import { HttpRouteKind } from '../../../operator/resources/kinds.js';
import { commonLabels } from '../../../operator/resources/metadata.js';
import type { Applier } from '../../../operator/runtime/apply.js';
import { KubeApiError, type KubeClient } from '../../../operator/runtime/kube-client.js';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-types.js';
import type { RepairLoopTracker } from '../../../operator/runtime/repair-loops.js';
import { pcfApi } from '../../support/fixtures.js';

const denied = new KubeApiError(422, 'Invalid', 'memory limit must not be below the request');
const objects = ['ConfigMap', 'VirtualService', 'Deployment', 'NetworkPolicy'].map(
  (kind) => ({ kind, metadata: { name: 'api', namespace: 'platform' } }) as KubeObject,
);

const preview = { kind: 'Service', metadata: { name: 'api-preview', namespace: 'platform' } } as KubeObject;

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
  const found = new Map<string, KubeObject>();
  const caches = { named: ({ kind }: ResourceType) => found.get(kind) } as unknown as Caches;
  return { written, found, actor: new Actor({} as KubeClient, applier, caches) };
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

  it('writes no object of another owner, names that owner, and writes what comes after the pods', async () => {
    const { actor, written, found } = rejecting('none');
    const owner = { kind: 'PcfApi', name: 'api-preview', uid: 'another', controller: true };
    found.set('Service', { metadata: { ...preview.metadata, ownerReferences: [owner] } } as KubeObject);
    const { failure } = await actor.apply(pcfApi(), [...objects.slice(0, 3), preview, objects[3]!]);
    assert.match(String(failure), /api-preview exists and belongs to PcfApi api-preview, not to this PcfApi/);
    assert.deepEqual(written, ['ConfigMap', 'VirtualService', 'Deployment', 'NetworkPolicy']);
  });

  it('does not take over an orphan without the annotation, and names the annotation', async () => {
    const { actor, written, found } = rejecting('none');
    const labels = commonLabels(pcfApi());
    found.set('ConfigMap', { metadata: { ...objects[0]!.metadata, labels } } as KubeObject);
    await assert.rejects(actor.apply(pcfApi(), objects), /left it without an owner; .*adopt-orphans=true/);
    assert.deepEqual(written, []);
    const api = pcfApi();
    api.metadata.annotations = { 'pcf.dev/adopt-orphans': 'true' };
    await actor.apply(api, objects);
    assert.equal(written.length, 4);
  });

  describe("with a user's own route", () => {
    const live = {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'theirs', namespace: 'platform', resourceVersion: '3' },
    } as KubeObject;
    const edit = { type: HttpRouteKind, live, patch: { spec: {} }, drifted: true, field: 'spec.rules' };

    /** An actor that records its writes, including patches, and tracks repair loops with this wait. */
    function routing(waitMs: number) {
      const written: string[] = [];
      const applier = {
        apply: async (_type: unknown, { kind }: KubeObject) => {
          written.push(kind);
          return { outcome: 'written' };
        },
      } as unknown as Applier;
      const client = {
        patch: async ({ kind }: ResourceType) => {
          written.push(kind);
          return live;
        },
      } as unknown as KubeClient;
      const caches = { named: () => undefined, noteRouteWrite: () => undefined } as unknown as Caches;
      const loops = { waitMs: () => waitMs, endsInMs: () => undefined, repaired: () => undefined };
      return { written, actor: new Actor(client, applier, caches, loops as unknown as RepairLoopTracker) };
    }

    it('writes it before the first pods', async () => {
      const { actor, written } = routing(0);
      const { routeChanged, repairs } = await actor.apply(pcfApi(), objects, edit);
      assert.deepEqual(written, ['ConfigMap', 'VirtualService', 'HTTPRoute', 'Deployment', 'NetworkPolicy']);
      assert.equal(routeChanged, true);
      assert.deepEqual(
        repairs.map(({ kind, name, fields }) => [kind, name, fields]),
        [['HTTPRoute', 'theirs', ['spec.rules']]],
      );
    });

    it('writes it last if no pods are written', async () => {
      const { actor, written } = routing(0);
      await actor.apply(pcfApi(), objects.slice(0, 1), edit);
      assert.deepEqual(written, ['ConfigMap', 'HTTPRoute']);
    });

    it('postpones the repair during a repair loop, and reports when it is due', async () => {
      const { actor, written } = routing(4_000);
      const { routeChanged, lookAgainMs } = await actor.apply(pcfApi(), objects.slice(0, 1), edit);
      assert.deepEqual(written, ['ConfigMap']);
      assert.deepEqual([routeChanged, lookAgainMs], [false, 4_000]);
    });
  });
});
