import assert from 'node:assert/strict';
import { plan } from '../../../operator/delivery/plan.js';
import { deliverySettings } from '../../support/cluster/delivery-settings.js';
import { ModelCluster } from './model-cluster.js';
import { MINUTE, settle, settledOn } from './settled-cluster.js';

describe('RollingUpdate without a router, with canaryWeight', () => {
  for (const [maxSurge, maxUnavailable] of [
    [1, 0],
    [0, 1],
    [2, 1],
  ] as const) {
    it(`keeps pods of both revisions, with maxSurge ${maxSurge} and maxUnavailable ${maxUnavailable}`, () => {
      for (const canaryWeight of [1, 34, 50, 67, 80, 99]) {
        const rolling = { strategy: 'RollingUpdate', split: 'replicas', retireDelayMs: 0 } as const;
        const cluster = settledOn({ ...rolling, maxSurge, maxUnavailable, canaryWeight });
        cluster.target = 'new';
        settle(cluster);
        const [old, young] = [cluster.revision('old').replicas, cluster.revision('new').replicas];
        assert.ok(
          old > 0 && young > 0 && old + young <= 3 + maxSurge,
          `${canaryWeight} %: ${old} and ${young}`,
        );
        assert.equal(cluster.position.stable, 'old');
        if (canaryWeight === 67) assert.deepEqual([old, young], [1, 2]);
      }
    });
  }
});

describe('RollingUpdate with a router', () => {
  const rolling = { strategy: 'RollingUpdate', split: 'exact', maxSurge: 1, retireDelayMs: 0 } as const;

  /** Planned routes with more than one revision, until nothing changes. */
  function routesOf(cluster: ModelCluster) {
    const routes = Array.from({ length: 60 }, () => {
      const { route } = cluster.reconcile();
      cluster.heal();
      cluster.now += 2_100;
      return route!;
    });
    return routes.filter(({ weights }) => Object.keys(weights).length > 1);
  }

  it('the Service selects both revisions while both have a share, and only the new one afterwards', () => {
    const cluster = settledOn({ ...rolling, replicas: 4 });
    assert.deepEqual(cluster.route, { weights: { old: 100 } });
    cluster.target = 'new';
    const shared = routesOf(cluster);
    assert.ok(shared.length > 0);
    for (const { service } of shared) assert.equal(service, '*');
    assert.deepEqual(cluster.route, { weights: { new: 100 } });
    assert.equal(cluster.position.stable, 'new');
  });

  it('the Service selects only the stable revision while pods of another revision have no share', () => {
    const serviceWith = (pods: number) => {
      const view = (name: string, ready: number, replicas = ready) =>
        ({ name, ready, replicas, migration: 'Succeeded' }) as const;
      const observation = {
        target: 'third',
        // The second revision was superseded, and keeps the share that the stable pods have no capacity for yet.
        revisions: [view('old', 1, 4), view('second', 3), view('third', 0, pods)],
        position: { stable: 'old', update: 'third' },
        route: { weights: { old: 25, second: 75 }, service: '*' },
        ...{ routeAgeMs: MINUTE, startable: true },
      };
      const { route } = plan(observation, deliverySettings({ ...rolling, replicas: 4 }), 0);
      assert.deepEqual(route?.weights, { old: 25, second: 75 });
      return route.service;
    };
    assert.equal(serviceWith(0), '*');
    assert.equal(serviceWith(1), 'old');
  });

  it('the Service selects only the stable revision with strategy Canary', () => {
    const cluster = settledOn({ strategy: 'Canary', maxSurge: 1, canaryWeight: 50, replicas: 4 });
    cluster.target = 'new';
    for (const { service } of routesOf(cluster)) assert.equal(service, 'old');
  });
});

describe('a new route', () => {
  it('has time to reach every proxy before pods that lost their share are removed', () => {
    const cluster = settledOn({ canaryWeight: 50, replicas: 4 });
    cluster.target = 'new';
    settle(cluster);
    assert.equal(cluster.revisions.get('new')?.replicas, 2);
    cluster.settings.canaryWeight = 10;
    cluster.reconcile();
    assert.equal(cluster.reconcile().replicas.new, 2, 'the route was read back just now');
    cluster.now += 2_000;
    assert.equal(cluster.reconcile().replicas.new, 1);
  });
});
