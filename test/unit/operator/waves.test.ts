import assert from 'node:assert/strict';
import { wavesOf } from '../../../operator/reconciler/act.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';

const object = (kind: string): KubeObject => ({ apiVersion: 'v1', kind, metadata: { name: kind } });
const waves = (...kinds: string[]) => wavesOf(kinds.map(object)).map((wave) => wave.map(({ kind }) => kind));

describe('objects are written', () => {
  it('together where none needs another, pods after what they read', () => {
    assert.deepEqual(waves('ServiceAccount', 'ConfigMap', 'Service', 'Job', 'Deployment', 'NetworkPolicy'), [
      ['ServiceAccount', 'ConfigMap', 'Service'],
      ['Job', 'Deployment', 'NetworkPolicy'],
    ]);
  });

  it('with the route alone: after what it leads to, and before what follows from it', () => {
    assert.deepEqual(waves('ConfigMap', 'Service', 'DestinationRule', 'VirtualService', 'Deployment'), [
      ['ConfigMap', 'Service', 'DestinationRule'],
      ['VirtualService'],
      ['Deployment'],
    ]);
  });

  it('one after another where there are several routes', () => {
    assert.deepEqual(waves('HTTPRoute', 'Ingress', 'Deployment'), [
      ['HTTPRoute'],
      ['Ingress'],
      ['Deployment'],
    ]);
  });
});
