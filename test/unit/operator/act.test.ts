import assert from 'node:assert/strict';
import { Actor } from '../../../operator/reconciler/act.js';
import type { Caches } from '../../../operator/reconciler/caches.js';
import { HttpRouteKind } from '../../../operator/resources/kinds.js';
import { commonLabels } from '../../../operator/resources/metadata.js';
import type { Applier } from '../../../operator/runtime/apply.js';
import { KubeApiError, type KubeClient } from '../../../operator/runtime/kube-client.js';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-types.js';
import type { RepairLoopTracker } from '../../../operator/runtime/repair-loops.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const denied = new KubeApiError(422, 'Invalid', 'memory limit must not be below the request');
const objects = ['ConfigMap', 'VirtualService', 'Deployment', 'NetworkPolicy'].map(
  (kind) => ({ kind, metadata: { name: 'api', namespace: 'platform' } }) as KubeObject,
);

const preview = { kind: 'Service', metadata: { name: 'api-preview', namespace: 'platform' } } as KubeObject;

/** Actor whose API server rejects writes of one kind, with the kinds that it wrote. */
function rejectingActor(rejected: string) {
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
  it('writes all other objects and reports the failure if pods are rejected, so that deletions continue', async () => {
    const { actor, written } = rejectingActor('Deployment');
    const { failure, routeChanged } = await actor.apply(pcfApi(), objects);
    assert.equal(failure, denied);
    assert.equal(routeChanged, true);
    assert.deepEqual(written, ['ConfigMap', 'VirtualService', 'NetworkPolicy']);
  });

  it('stops if the route is rejected, so that the pods that it still selects are not deleted', async () => {
    const { actor, written } = rejectingActor('VirtualService');
    await assert.rejects(actor.apply(pcfApi(), objects), denied);
    assert.deepEqual(written, ['ConfigMap']);
  });

  it('does not write an object of another owner, names that owner, and writes the objects after the pods', async () => {
    const { actor, written, found } = rejectingActor('none');
    const owner = { kind: 'PcfApi', name: 'api-preview', uid: 'another', controller: true };
    found.set('Service', { metadata: { ...preview.metadata, ownerReferences: [owner] } } as KubeObject);
    const { failure } = await actor.apply(pcfApi(), [...objects.slice(0, 3), preview, objects[3]!]);
    assert.match(String(failure), /api-preview exists and belongs to PcfApi api-preview, not to this PcfApi/);
    assert.deepEqual(written, ['ConfigMap', 'VirtualService', 'Deployment', 'NetworkPolicy']);
  });

  it('does not adopt an orphan without the annotation adopt-orphans, and names the annotation', async () => {
    const { actor, written, found } = rejectingActor('none');
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

    /** Actor that records its writes and patches. Each repair waits this long, as in a repair loop. */
    function recordingActor(waitMs: number) {
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

    it('writes the route before the first pods', async () => {
      const { actor, written } = recordingActor(0);
      const { routeChanged, repairs } = await actor.apply(pcfApi(), objects, edit);
      assert.deepEqual(written, ['ConfigMap', 'VirtualService', 'HTTPRoute', 'Deployment', 'NetworkPolicy']);
      assert.equal(routeChanged, true);
      assert.deepEqual(
        repairs.map(({ kind, name, fields }) => [kind, name, fields]),
        [['HTTPRoute', 'theirs', ['spec.rules']]],
      );
    });

    it('writes the route last if no pods are written', async () => {
      const { actor, written } = recordingActor(0);
      await actor.apply(pcfApi(), objects.slice(0, 1), edit);
      assert.deepEqual(written, ['ConfigMap', 'HTTPRoute']);
    });

    it('postpones the repair of the route during a repair loop, and returns the delay', async () => {
      const { actor, written } = recordingActor(4_000);
      const { routeChanged, lookAgainMs } = await actor.apply(pcfApi(), objects.slice(0, 1), edit);
      assert.deepEqual(written, ['ConfigMap']);
      assert.deepEqual([routeChanged, lookAgainMs], [false, 4_000]);
    });
  });
});
