import assert from 'node:assert/strict';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import type { Observation, RevisionView } from '../../../operator/delivery/observation.js';
import { plan, recordedAt, recordOf } from '../../../operator/delivery/plan.js';
import { deliverySettings } from '../../support/delivery-settings.js';
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

/** What is planned first, and what once that is on record. */
function twice(seen: Observation, settings: DeliverySpec) {
  const first = plan(seen, settings, now);
  return { first, second: plan({ ...seen, position: first.position }, settings, now) };
}

describe('plan with a lost status', () => {
  it('keeps the route, deletes no pod, and continues as a delivery of the target', () => {
    const { first, second } = twice(lost(), canary);
    for (const { route, replicas, position, decisions } of [first, second]) {
      assert.deepEqual(route, { weights: { old: 90, new: 10 }, header: 'new', service: 'old' });
      assert.deepEqual(replicas, { old: 3, new: 1 });
      assert.deepEqual([position.stable, position.update], ['old', 'new']);
      assert.ok(decisions.every(({ type }) => type !== 'Promoted'));
    }
  });

  it('keeps a share that is further than the first step', () => {
    const stages = [10, 50].map((weight) => ({ weight, holdMs: 60_000, pause: false }));
    const route = { weights: { old: 50, new: 50 }, header: 'new', service: 'old' };
    const revisions = [revision('old'), revision('new')];
    const { first, second } = twice(lost({ route, revisions }), deliverySettings({ stages }));
    assert.deepEqual(first.route, route);
    assert.deepEqual(second.route, route);
  });

  it('recovers the stable revision from the header rule where the new one has all of the traffic', () => {
    const { first } = twice(lost({ route: { weights: { new: 100 }, header: 'new' } }), canary);
    assert.deepEqual([first.position.stable, first.position.update], ['old', 'new']);
    assert.deepEqual(first.replicas, { old: 3, new: 1 });
  });

  it('recovers it from pods and records where there is no route', () => {
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

  it('keeps green without traffic, whether its step is paused or over', () => {
    const revisions = [revision('old'), revision('new')];
    const seen = lost({ route: { weights: { old: 100 }, header: 'new' }, revisions });
    const { first, second } = twice(seen, deliverySettings(blueGreen));
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

  it('recovers a stable revision that the spec still describes, without a delivery', () => {
    const seen = lost({ target: 'old', revisions: [revision('old')], route: { weights: { old: 100 } } });
    const { first, second } = twice(seen, canary);
    assert.equal(first.position.stable, 'old');
    assert.equal(first.position.update, undefined);
    assert.deepEqual(second.replicas, { old: 3 });
  });

  it('recovers from a restored status that names a revision which does not exist', () => {
    const { first } = twice(lost({ position: { stable: 'restored' } }), canary);
    assert.deepEqual([first.position.stable, first.position.update], ['old', 'new']);
  });

  it('takes no revision for the stable one that only a foreign route names', () => {
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
    const unknowing = { ...first, record: { knownMigrations: [{ revision: 'first', migrations: [] }] } };
    const route = { weights: { old: 100 } };

    for (const [what, asked] of Object.entries({
      'recorded as unknowing': unknowing,
      'not recorded': first,
    })) {
      it(`refuses an undo below the rollback floor, to a revision that is ${what}`, () => {
        const seen = lost({ target: 'first', revisions: [asked, stable], route });
        const { first: recovered, second } = twice(seen, canary);
        assert.deepEqual(recovered.position.contracted, contracted);
        assert.equal(second.position.update, undefined);
        assert.match(second.refused ?? '', /^first .*needs what DropPrice dropped.* is old \(image:2\)$/);
        assert.deepEqual(second.replicas, { old: 3 });
      });
    }

    it('refuses it also where no revision has pods or a share any more', () => {
      const idle = { ...stable, replicas: 0, ready: 0 };
      const seen = lost({ target: 'first', revisions: [unknowing, idle], route: undefined });
      const planned = plan(seen, canary, now);
      assert.match(planned.refused ?? '', /DropPrice/);
      assert.equal(planned.position.update, undefined);
    });

    it('recovers the serving revision where an old status names a stable one below the floor', () => {
      const seen = lost({
        ...{ target: 'old', revisions: [unknowing, stable], route },
        position: { stable: 'first', knownMigrations: [{ revision: 'first', migrations: [] }] },
      });
      const { first: recovered, second } = twice(seen, canary);
      for (const { position, replicas } of [recovered, second]) {
        assert.deepEqual([position.stable, position.update], ['old', undefined]);
        assert.deepEqual(replicas, { old: 3 });
      }
    });

    it('takes the contract that is furthest, whatever an old status says', () => {
      const position = { stable: 'old', knownMigrations };
      const seen = lost({ target: 'first', position, revisions: [first, stable], route });
      const planned = plan(seen, canary, now);
      assert.deepEqual(planned.position.contracted, contracted);
      assert.match(planned.refused ?? '', /DropPrice/);
    });

    it('does not retry a revision that was aborted, with or without a stable one', () => {
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

    it('records each part at the revision it findIssues, and the contract at the stable one', () => {
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
