import assert from 'node:assert/strict';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { cachedPart } from '../../../operator/reconciler/cached-parts.js';
import { revisionsOf } from '../../../operator/reconciler/known-revisions.js';
import { configMap } from '../../../operator/resources/config-map.js';
import { deployment } from '../../../operator/resources/deployment.js';
import { typeOf } from '../../../operator/resources/kinds.js';
import { controllerRevision, newRevision, revisionName } from '../../../operator/resources/revision.js';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-client.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

/** Caches with these objects only, of which they retain a part. */
function cachesOf(...whole: KubeObject[]) {
  const objects = whole.map((object) => cachedPart(typeOf(object))(object));
  const ofKind = ({ kind }: ResourceType) => objects.filter((object) => object.kind === kind);
  return {
    ownedBy: (type: ResourceType, _api: PcfApi) => ofKind(type),
    get: (type: ResourceType, _api: PcfApi, name: string) =>
      ofKind(type).find(({ metadata }) => metadata.name === name),
  };
}

describe('revisionsOf', () => {
  const before = pcfApi({ image: 'r/api:1', config: { logging: { level: 'debug' } } });
  const now = pcfApi({ image: 'r/api:2' });
  const delivering = (api: PcfApi, stable: string) => ({ ...api, status: { delivery: { stable } } });
  const first = newRevision(before, 1);
  const second = newRevision(now, 2);

  it('returns the recorded revisions and the one that the spec describes', () => {
    const { target, all } = revisionsOf(now, cachesOf(controllerRevision(before, first)), undefined);
    assert.deepEqual([...all.keys()], [first.name, revisionName(now)]);
    assert.equal(target.number, 2, 'the next number');
    const recorded = cachesOf(controllerRevision(before, first), controllerRevision(now, second));
    assert.deepEqual(
      revisionsOf(before, recorded, undefined).target,
      first,
      'the old revision after the spec is reverted',
    );
  });

  it('returns the revision in use as the target, although an older operator gave it another name', () => {
    const older = { ...newRevision(now, 2), name: 'api-bcdfghjklm' };
    const caches = cachesOf(controllerRevision(now, older), controllerRevision(now, newRevision(now, 1)));
    const { target } = revisionsOf(delivering(now, older.name), caches, undefined);
    assert.equal(target.name, older.name);
  });

  it('returns a revision in use whose record is lost, if its Deployment exists', () => {
    const caches = cachesOf(
      controllerRevision(now, second),
      deployment(before, first, 3),
      configMap(before, first),
    );
    const { all, target } = revisionsOf(delivering(now, first.name), caches, undefined);
    assert.equal(target.name, second.name);
    const { template, config, image } = first;
    assert.deepEqual(all.get(first.name), { name: first.name, number: 0, template, config, image });
  });

  it('returns the revisions of all Deployments if status and records are lost', () => {
    const { all } = revisionsOf(
      now,
      cachesOf(deployment(before, first, 3), configMap(before, first)),
      undefined,
    );
    assert.deepEqual([...all.keys()], [first.name, second.name]);
  });

  it('returns the template of the Deployment, although the current operator would render another', () => {
    const old = { ...first, template: { ...first.template, metadata: { labels: { made: 'earlier' } } } };
    const { target } = revisionsOf(
      delivering(before, first.name),
      cachesOf(deployment(before, old, 3)),
      undefined,
    );
    assert.deepEqual(target, { ...first, template: old.template });
  });

  it('ignores a Deployment that is being removed, whose record is already deleted', () => {
    const caches = cachesOf(controllerRevision(now, second), deployment(before, first, 1));
    const { all } = revisionsOf(delivering(now, second.name), caches, undefined);
    assert.deepEqual([...all.keys()], [second.name]);
  });
});
