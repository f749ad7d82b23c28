import assert from 'node:assert/strict';
import { createContext, withPosition } from '../../../operator/delivery/context.js';
import type { Observation, RevisionView } from '../../../operator/delivery/observation.js';
import { plan } from '../../../operator/delivery/plan.js';
import { deliverySettings } from '../../support/cluster/delivery-settings.js';

const now = Date.parse('2026-11-23T10:00:00Z');
const startedAt = '2026-11-23T09:00:00Z';
const spec = deliverySettings({ canaryWeight: 50 });

function revision(name: string, view: Partial<RevisionView> = {}): RevisionView {
  return { name, replicas: 3, ready: 3, migration: 'Succeeded', ...view };
}

function observation(revisions: RevisionView[]): Observation {
  return {
    target: 'new',
    revisions,
    position: { stable: 'old', update: 'new', startedAt },
    route: { weights: { old: 100 } },
    routeAgeMs: 60_000,
    startable: true,
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}

describe('DeliveryContext', () => {
  const observed = observation([revision('old'), revision('new', { ready: 1 })]);

  it('resolves the stable revision and the canary from its position', () => {
    const context = createContext(observed, spec, observed.position, now);
    assert.equal(context.stable?.name, 'old');
    assert.equal(context.canary?.ready, 1);
    const promoted = withPosition(context, { stable: 'new' });
    assert.deepEqual([promoted.stable?.name, promoted.canary], ['new', undefined]);
    assert.equal(promoted.recorded, context.recorded);
  });

  it('has a view without pods for a revision that was not observed', () => {
    const { canary } = createContext(observed, spec, { stable: 'old', update: 'other' }, now);
    assert.deepEqual(
      [canary?.name, canary?.replicas, canary?.ready, canary?.migration],
      ['other', 0, 0, 'Pending'],
    );
  });

  describe('with a delivery that reruns its migrations', () => {
    const rerun = { stable: 'old', update: 'new', startedAt, rerunMigrations: true };
    const pending = [revision('old'), revision('new', { migration: 'Running' })];

    it('counts pods of an earlier attempt as not ready, and leaves the observation unchanged', () => {
      const given = deepFreeze(observation(pending));
      const { canary, revisions } = createContext(given, spec, rerun, now);
      assert.equal(canary?.ready, 0);
      assert.equal(revisions.find(({ name }) => name === 'new')?.ready, 0);
      assert.equal(given.revisions[1]?.ready, 3);
    });

    it('counts pods of an earlier attempt as ready after the migrations succeeded, or while no stable pod is ready', () => {
      const done = observation([revision('old'), revision('new')]);
      assert.equal(createContext(done, spec, rerun, now).canary?.ready, 3);
      const alone = observation([revision('old', { ready: 0 }), pending[1]!]);
      assert.equal(createContext(alone, spec, rerun, now).canary?.ready, 3);
    });

    it('ignores the result of earlier Jobs when the delivery starts', () => {
      const done = observation([revision('old'), revision('new')]);
      const { canary } = withPosition(createContext(done, spec, { stable: 'old' }, now), rerun);
      assert.deepEqual([canary?.migration, canary?.ready], ['Pending', 0]);
    });
  });

  it('plan does not change its observation', () => {
    const given = deepFreeze(observed);
    const aborting = deepFreeze({ ...spec, requests: { abort: `new@${startedAt}` } });
    assert.equal(plan(given, aborting, now).decisions[0]?.type, 'Aborted');
    const lost = deepFreeze({ ...observed, position: {} });
    assert.equal(plan(lost, spec, now).position.stable, 'old');
    const rerun = { stable: 'old', update: 'new', startedAt, rerunMigrations: true };
    assert.equal(plan(deepFreeze({ ...observed, position: rerun }), spec, now).position.update, 'new');
  });
});
