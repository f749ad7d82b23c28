import assert from 'node:assert/strict';
import { ReconcileState } from '../../../operator/reconciler/reconcile-state.js';

const KEY = 'platform/api';
const route = { weights: { a: 100 } };

describe('ReconcileState', () => {
  it('measures the age of a route since the last change of the route or of the list of routes', () => {
    const state = new ReconcileState();
    assert.equal(state.routeAgeMs(KEY, route, [], 1_000), 0);
    assert.equal(state.routeAgeMs(KEY, route, [], 3_500), 2_500);
    assert.equal(state.routeAgeMs(KEY, { weights: { b: 100 } }, [], 4_000), 0);
    assert.equal(state.routeAgeMs(KEY, { weights: { b: 100 } }, ['HTTPRoute/api'], 5_000), 0);
    assert.equal(state.routeAgeMs('platform/other', route, [], 9_000), 0);
  });

  it('does not postpone a status twice in a row', () => {
    const state = new ReconcileState();
    assert.equal(state.postponeStatus(KEY), true);
    assert.equal(state.postponeStatus(KEY), false);
    assert.equal(state.postponeStatus(KEY), true);
    state.endPostponement(KEY);
    assert.equal(state.postponeStatus(KEY), true);
  });

  it('delays a change of the status until an interval after its last write', () => {
    const state = new ReconcileState();
    assert.equal(state.statusDueInMs(KEY, 1_000, 1_000), 0);
    state.statusWritten(KEY, 1_000);
    assert.equal(state.statusDueInMs(KEY, 1_000, 1_400), 600);
    assert.equal(state.statusDueInMs('platform/other', 1_000, 1_400), 0);
    assert.equal(state.statusDueInMs(KEY, 1_000, 2_000), 0);
  });

  it('deletes the state of a deleted PcfApi', () => {
    const state = new ReconcileState();
    state.statusWritten(KEY, 9_000);
    state.routeAgeMs(KEY, route, [], 1_000);
    state.postponeStatus(KEY);
    state.forget(KEY);
    assert.equal(state.statusDueInMs(KEY, 1_000, 9_000), 0);
    assert.equal(state.routeAgeMs(KEY, route, [], 9_000), 0);
    assert.equal(state.postponeStatus(KEY), true);
  });
});
