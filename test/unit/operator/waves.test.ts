import assert from 'node:assert/strict';
import { wavesOf } from '../../../operator/reconciler/act.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';

const object = (kind: string): KubeObject => ({ apiVersion: 'v1', kind, metadata: { name: kind } });
const waves = (...kinds: string[]) => wavesOf(kinds.map(object)).map((wave) => wave.map(({ kind }) => kind));

describe('wavesOf', () => {
  it('writes independent objects together, and pods after the objects that they read', () => {
    assert.deepEqual(waves('ServiceAccount', 'ConfigMap', 'Service', 'Job', 'Deployment', 'NetworkPolicy'), [
      ['ServiceAccount', 'ConfigMap', 'Service'],
      ['Job', 'Deployment', 'NetworkPolicy'],
    ]);
  });

  it('writes the route alone, after its backends and before the pods', () => {
    assert.deepEqual(waves('ConfigMap', 'Service', 'DestinationRule', 'VirtualService', 'Deployment'), [
      ['ConfigMap', 'Service', 'DestinationRule'],
      ['VirtualService'],
      ['Deployment'],
    ]);
  });

  it('writes several routes one after another', () => {
    assert.deepEqual(waves('HTTPRoute', 'Ingress', 'Deployment'), [
      ['HTTPRoute'],
      ['Ingress'],
      ['Deployment'],
    ]);
  });
});
