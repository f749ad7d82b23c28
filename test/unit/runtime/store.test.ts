import assert from 'node:assert/strict';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { Store } from '../../../operator/runtime/store.js';

const object = (name: string, team: string, resourceVersion = '1'): KubeObject => ({
  ...{ apiVersion: 'v1', kind: 'ConfigMap' },
  metadata: { name, namespace: 'shop', resourceVersion, labels: { team } },
});

describe('Store', () => {
  let store: Store;
  const found = (team: string) => store.byIndex('team', team).map(({ metadata }) => metadata.name);

  beforeEach(() => {
    store = new Store({ team: ({ metadata }) => [metadata.labels!.team!] });
    for (const name of ['a', 'b', 'c']) store.put(object(name, 'x'));
  });

  it('byIndex: returns objects in the same order after one of them was updated', () => {
    store.put(object('a', 'x', '2'));
    assert.deepEqual(found('x'), ['a', 'b', 'c']);
  });

  it('byIndex: returns an object only under its new value, and no removed object', () => {
    store.put(object('a', 'y', '2'));
    store.remove('shop/b');
    assert.deepEqual([found('x'), found('y')], [['c'], ['a']]);
  });
});
