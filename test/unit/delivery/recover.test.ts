import assert from 'node:assert/strict';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import type { Observation, RevisionView } from '../../../operator/delivery/observation.js';
import { plan, recordedAt, recordOf } from '../../../operator/delivery/plan.js';
import { deliverySettings } from '../../support/cluster/delivery-settings.js';
import { ModelCluster } from './model-cluster.js';

const now = Date.parse('2026-11-23T10:00:00Z');
const canary = deliverySettings({ canaryWeight: 10 });
const blueGreen: Partial<DeliverySpec> = {
  strategy: 'BlueGreen',
  canaryPods: 'full',
  stages: [{ weight: 0, holdMs: 0, pause: true }],
};

function revision(name: string, view: Partial<RevisionView> = {}): RevisionView {
  return { name, replicas: 3, ready: 3, migration: 'Succeeded', ...view };
}

/** Pods of two revisions, and a status without a position. */
function lost(overrides: Partial<Observation> = {}): Observation {
  return {
    target: 'new',
    revisions: [revision('old', { number: 1 }), revision('new', { number: 2, replicas: 1, ready: 1 })],
    position: {},
    route: { weights: { old: 90, new: 10 }, header: 'new', service: 'old' },
    routeAgeMs: 60_000,
    startable: true,
    ...overrides,
  };
}

/** The first plan, and the plan after the position of the first was recorded. */
function twice(observation: Observation, settings: DeliverySpec) {
  const first = plan(observation, settings, now);
  return { first, second: plan({ ...observation, position: first.position }, settings, now) };
}

describe('plan with a lost status', () => {
  it('keeps the route, deletes no pod, and continues the delivery of the target', () => {
    const { first, second } = twice(lost(), canary);
    for (const { route, replicas, position, decisions } of [first, second]) {
      assert.deepEqual(route, { weights: { old: 90, new: 10 }, header: 'new', service: 'old' });
      assert.deepEqual(replicas, { old: 3, new: 1 });
      assert.deepEqual([position.stable, position.update], ['old', 'new']);
      assert.ok(decisions.every(({ type }) => type !== 'Promoted'));
    }
  });

  it('keeps a share that is greater than the weight of the first step', () => {
    const stages = [10, 50].map((weight) => ({ weight, holdMs: 60_000, pause: false }));
    const route = { weights: { old: 50, new: 50 }, header: 'new', service: 'old' };
    const revisions = [revision('old'), revision('new')];
    const { first, second } = twice(lost({ route, revisions }), deliverySettings({ stages }));
    assert.deepEqual(first.route, route);
    assert.deepEqual(second.route, route);
  });

  it('recovers the stable revision from the header rule when the new revision has all of the traffic', () => {
    const { first } = twice(lost({ route: { weights: { new: 100 }, header: 'new' } }), canary);
    assert.deepEqual([first.position.stable, first.position.update], ['old', 'new']);
    assert.deepEqual(first.replicas, { old: 3, new: 1 });
  });

  it('recovers the stable revision from pods and records when there is no route', () => {
    const revisions = [
      revision('older', { number: 1, replicas: 3, ready: 0 }),
      revision('old', { number: 2 }),
      revision('new', { number: 3, replicas: 1, ready: 1 }),
    ];
    for (const route of [undefined, { weights: {}, byPods: true as const }]) {
      const split = route ? 'replicas' : 'exact';
      const { first, second } = twice(lost({ route, revisions }), { ...canary, split });
      assert.deepEqual([first.position.stable, first.position.update], ['old', 'new']);
      assert.deepEqual(first.replicas, { older: 3, old: 3, new: 1 });
      assert.equal(second.replicas.old, 3);
    }
  });

  it('keeps a green revision without traffic in a blue-green delivery', () => {
    const revisions = [revision('old'), revision('new')];
    const observation = lost({ route: { weights: { old: 100 }, header: 'new' }, revisions });
    const { first, second } = twice(observation, deliverySettings(blueGreen));
    for (const { route, replicas } of [first, second]) {
      assert.deepEqual(route, { weights: { old: 100 }, header: 'new' });
      assert.deepEqual(replicas, { old: 3, new: 3 });
    }
  });

  it('keeps both revisions while it is paused', () => {
    const { first, second } = twice(lost(), { ...canary, paused: true });
    assert.deepEqual(second.replicas, first.replicas);
    assert.deepEqual(second.route, first.route);
  });

  it('starts no delivery when the stable revision is the target', () => {
    const observation = lost({
      target: 'old',
      revisions: [revision('old')],
      route: { weights: { old: 100 } },
    });
    const { first, second } = twice(observation, canary);
    assert.equal(first.position.stable, 'old');
    assert.equal(first.position.update, undefined);
    assert.deepEqual(second.replicas, { old: 3 });
  });

  it('recovers from a restored status whose stable revision does not exist', () => {
    const { first } = twice(lost({ position: { stable: 'restored' } }), canary);
    assert.deepEqual([first.position.stable, first.position.update], ['old', 'new']);
  });

  it('does not recover a stable revision from a route alone, without pods', () => {
    const unmigrated = revision('new', { replicas: 0, ready: 0, migration: 'Pending' });
    const { first } = twice(lost({ revisions: [unmigrated], route: { weights: { new: 100 } } }), canary);
    assert.equal(first.position.stable, undefined);
  });

  describe('with records at the revisions', () => {
    const contracted = {
      ...{ revision: 'old', number: 2, image: 'image:2', migrations: ['DropPrice'] },
      at: '2026-11-23T09:00:00Z',
      done: true,
    };
    const knownMigrations = [{ revision: 'old', migrations: ['DropPrice'] }];
    const stable = revision('old', { number: 2, image: 'image:2', record: { knownMigrations, contracted } });
    const first = revision('first', { number: 1, image: 'image:1', replicas: 0, ready: 0 });
    const uninformed = { ...first, record: { knownMigrations: [{ revision: 'first', migrations: [] }] } };
    const route = { weights: { old: 100 } };

    for (const [what, undoTarget] of Object.entries({
      'recorded without the contract migration': uninformed,
      'not recorded': first,
    })) {
      it(`refuses an undo below the rollback floor, to a revision that is ${what}`, () => {
        const observation = lost({ target: 'first', revisions: [undoTarget, stable], route });
        const { first: recovered, second } = twice(observation, canary);
        assert.deepEqual(recovered.position.contracted, contracted);
        assert.equal(second.position.update, undefined);
        assert.match(second.refused ?? '', /^first .*needs what DropPrice dropped.* is old \(image:2\)$/);
        assert.deepEqual(second.replicas, { old: 3 });
      });
    }

    it('refuses an undo below the rollback floor also when no revision has pods or a share', () => {
      const idle = { ...stable, replicas: 0, ready: 0 };
      const observation = lost({ target: 'first', revisions: [uninformed, idle], route: undefined });
      const planned = plan(observation, canary, now);
      assert.match(planned.refused ?? '', /DropPrice/);
      assert.equal(planned.position.update, undefined);
    });

    it('recovers the serving revision when an old status has a stable revision below the floor', () => {
      const observation = lost({
        ...{ target: 'old', revisions: [uninformed, stable], route },
        position: { stable: 'first', knownMigrations: [{ revision: 'first', migrations: [] }] },
      });
      const { first: recovered, second } = twice(observation, canary);
      for (const { position, replicas } of [recovered, second]) {
        assert.deepEqual([position.stable, position.update], ['old', undefined]);
        assert.deepEqual(replicas, { old: 3 });
      }
    });

    it('uses the latest recorded contract, not the one of an old status', () => {
      const position = { stable: 'old', knownMigrations };
      const observation = lost({ target: 'first', position, revisions: [first, stable], route });
      const planned = plan(observation, canary, now);
      assert.deepEqual(planned.position.contracted, contracted);
      assert.match(planned.refused ?? '', /DropPrice/);
    });

    it('does not retry an aborted revision, with or without a stable revision', () => {
      const failed = {
        revision: 'new',
        reason: 'CrashLoop',
        message: 'it crashed',
        at: '2026-11-23T09:00:00Z',
      };
      const aborted = revision('new', { number: 3, replicas: 0, ready: 0, record: { failed } });
      const { second } = twice(lost({ revisions: [stable, aborted], route }), canary);
      assert.deepEqual([second.position.failed, second.position.update], [failed, undefined]);
      assert.deepEqual(second.decisions, []);
      const alone = plan(lost({ revisions: [aborted], route: undefined }), canary, now);
      assert.deepEqual([alone.position.failed, alone.position.update], [failed, undefined]);
      const retry = { ...canary, requests: { retry: `new@${failed.at}` } };
      assert.equal(twice(lost({ revisions: [stable, aborted], route }), retry).second.position.update, 'new');
    });

    it('records each part at the revision that it belongs to, and the contract at the stable revision', () => {
      const failed = {
        revision: 'new',
        reason: 'CrashLoop',
        message: 'it crashed',
        at: '2026-11-23T09:00:00Z',
      };
      const position = { stable: 'old', knownMigrations, contracted, failed };
      assert.deepEqual(recordedAt(position), ['old', 'new']);
      assert.deepEqual(recordOf(position, 'old'), { knownMigrations, contracted });
      assert.deepEqual(recordOf(position, 'new'), { failed });
      assert.equal(recordOf(position, 'first'), undefined);
    });
  });

  for (const split of ['exact', 'replicas'] as const) {
    for (const strategy of [{ canaryWeight: 30 }, blueGreen]) {
      it(`loses no ready pod of the stable revision at any crash point (${split}, ${strategy.strategy ?? 'Canary'})`, () => {
        for (let wave = 0; wave <= 4; wave++) {
          const cluster = new ModelCluster({ split, ...strategy });
          const run = (rounds: number) => {
            for (let round = 0; round < rounds; round++) {
              cluster.reconcile();
              cluster.heal();
              cluster.pass(10_000);
            }
          };
          run(8);
          cluster.target = 'b';
          run(8);
          const { route } = cluster;
          const before = cluster.revisions.get('a')!.ready;
          cluster.position = {};
          for (let round = 0; round < 4; round++) {
            cluster.reconcile({ how: 'killed', wave, which: round });
            assert.deepEqual(cluster.route, route, `killed at wave ${wave}`);
            assert.equal(cluster.revisions.get('a')!.ready, before, `killed at wave ${wave}`);
          }
          run(8);
          assert.deepEqual([cluster.position.stable, cluster.position.update], ['a', 'b']);
          assert.equal(cluster.revisions.get('a')!.ready, before);
          assert.deepEqual(cluster.route, route);
        }
      });
    }
  }
});
