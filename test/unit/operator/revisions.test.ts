import assert from 'node:assert/strict';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { revisionsOf } from '../../../operator/reconciler/known-revisions.js';
import { configMap } from '../../../operator/resources/config-map.js';
import { deployment } from '../../../operator/resources/deployment.js';
import { controllerRevision, newRevision, revisionName } from '../../../operator/resources/revision.js';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-client.js';
import { pcfApi } from '../../support/fixtures.js';

/** Caches that hold these objects and no other. */
function cachesOf(...objects: KubeObject[]) {
  const ofKind = ({ kind }: ResourceType) => objects.filter((object) => object.kind === kind);
  return {
    ownedBy: (type: ResourceType, _api: PcfApi) => ofKind(type),
    get: (type: ResourceType, _api: PcfApi, name: string) =>
      ofKind(type).find(({ metadata }) => metadata.name === name),
  };
}

describe('the revisions of a PcfApi', () => {
  const before = pcfApi({ image: 'r/api:1', config: { logging: { level: 'debug' } } });
  const now = pcfApi({ image: 'r/api:2' });
  const delivering = (api: PcfApi, stable: string) => ({ ...api, status: { delivery: { stable } } });
  const first = newRevision(before, 1);
  const second = newRevision(now, 2);

  it('are those on record, and the one that the spec describes', () => {
    const { target, all } = revisionsOf(now, cachesOf(controllerRevision(before, first)), undefined);
    assert.deepEqual([...all.keys()], [first.name, revisionName(now)]);
    assert.equal(target.number, 2, 'it is the next one');
    const known = cachesOf(controllerRevision(before, first), controllerRevision(now, second));
    assert.deepEqual(
      revisionsOf(before, known, undefined).target,
      first,
      'or the old one, when it goes back',
    );
  });

  it('have the one in use as the target, though an older operator gave it another name', () => {
    const older = { ...newRevision(now, 2), name: 'api-bcdfghjklm' };
    const caches = cachesOf(controllerRevision(now, older), controllerRevision(now, newRevision(now, 1)));
    const { target } = revisionsOf(delivering(now, older.name), caches, undefined);
    assert.equal(target.name, older.name);
  });

  it('are also those in use whose record is lost, as long as their Deployments are there', () => {
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

  it('are those of all Deployments where status and records are lost', () => {
    const { all } = revisionsOf(
      now,
      cachesOf(deployment(before, first, 3), configMap(before, first)),
      undefined,
    );
    assert.deepEqual([...all.keys()], [first.name, second.name]);
  });

  it('keep the template that runs, though an operator of today would make another', () => {
    const old = { ...first, template: { ...first.template, metadata: { labels: { made: 'earlier' } } } };
    const { target } = revisionsOf(
      delivering(before, first.name),
      cachesOf(deployment(before, old, 3)),
      undefined,
    );
    assert.deepEqual(target, { ...first, template: old.template });
  });

  it('are not those on their way out, whose records go together with their Deployments', () => {
    const caches = cachesOf(controllerRevision(now, second), deployment(before, first, 1));
    const { all } = revisionsOf(delivering(now, second.name), caches, undefined);
    assert.deepEqual([...all.keys()], [second.name]);
  });
});
