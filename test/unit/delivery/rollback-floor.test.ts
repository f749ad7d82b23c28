import assert from 'node:assert/strict';
import type { RevisionView } from '../../../operator/delivery/observation.js';
import {
  contracted,
  planFor,
  position,
  promotedAt,
  revision,
  scaledDown,
  soaked,
} from './observed-delivery.js';

describe('plan, rollback floor', () => {
  const after = { ...position, contracted };

  it('refuses an undo below the floor, and reports the dropped migrations and the oldest supported revision', () => {
    const { position, refused, route, decisions } = planFor({ target: 'old', position: after });
    assert.equal(position.update, undefined);
    assert.deepEqual([decisions, route?.weights], [[], { new: 100 }]);
    assert.match(refused ?? '', /old \(image:1\) does not support the schema/);
    assert.match(refused ?? '', /DropName1 dropped at 2026-11-23T11:00:00.000Z/);
    assert.match(refused ?? '', /the oldest supported revision is new \(image:2\)/);
  });

  it('cancels a delivery in progress when the spec changes to a revision below the floor', () => {
    const delivering = { ...after, update: 'newer', startedAt: promotedAt };
    const revisions = [revision('old', 1, scaledDown), revision('new', 2), revision('newer', 3)];
    const { position, refused } = planFor({ target: 'old', position: delivering, revisions });
    assert.equal(position.update, undefined);
    assert.ok(refused);
  });

  it('delivers a newer revision, refuses an old image with new settings, and aborts an image that lacks the contract migration', () => {
    const revisions = [revision('old', 1, scaledDown), revision('new', 2), revision('newer', 3, scaledDown)];
    assert.equal(planFor({ target: 'newer', position: after, revisions }).position.update, 'newer');
    const disguised = [...revisions.slice(0, 2), revision('again', 3, { ...scaledDown, image: 'image:1' })];
    assert.ok(planFor({ target: 'again', position: after, revisions: disguised }).refused);
    const unknown = revision('branch', 3, { ...scaledDown, contracts: [], ahead: ['DropName1'] });
    const delivering = { ...after, update: 'branch', startedAt: promotedAt };
    const { decisions } = planFor({
      target: 'branch',
      position: delivering,
      revisions: [...revisions.slice(0, 2), unknown],
    });
    assert.equal(decisions[0]?.type === 'Aborted' && decisions[0].reason, 'BelowRollbackFloor');
  });

  it('aborts a revision whose migration report is unreadable, and delivers it after the report is readable', () => {
    const delivering = { ...after, update: 'quiet', startedAt: promotedAt };
    const others = [revision('old', 1, scaledDown), revision('new', 2)];
    const quiet = (view: Partial<RevisionView>) => ({
      target: 'quiet',
      position: delivering,
      revisions: [...others, revision('quiet', 3, { ...scaledDown, ...view })],
    });
    const { decisions, position } = planFor(quiet({ unreported: true }));
    assert.equal(decisions[0]?.type === 'Aborted' && decisions[0].reason, 'BelowRollbackFloor');
    assert.match(position.failed?.message ?? '', /the report of .* could not be read, .* kubectl pcf retry/);
    const again = planFor({
      ...quiet({ contracts: ['DropMore2'], ahead: [] }),
      position: { ...delivering, knownMigrations: position.knownMigrations },
    });
    assert.deepEqual(again.decisions, []);
    assert.deepEqual(
      again.position.knownMigrations?.find(({ revision }) => revision === 'quiet')?.migrations,
      ['DropMore2', 'DropName1'],
    );
  });

  it('retries a failed delivery, and reruns its migrations with an unused attempt number', () => {
    const failed = { revision: 'newer', reason: 'AbortRequested', message: 'x', at: promotedAt };
    const revisions = [revision('new', 2), revision('newer', 3, { ...scaledDown, lastMigration: 2 })];
    const retry = { requests: { retry: `newer@${promotedAt}` } };
    const ready = [revision('new', 2), revision('newer', 3, { lastMigration: 2 })];
    const started = planFor(
      { target: 'newer', position: { ...after, failed }, revisions: ready },
      soaked,
      retry,
    );
    assert.deepEqual(
      started.route,
      { weights: { new: 100 } },
      'migrations of the earlier attempt do not count',
    );
    const continueWith = (migration: 'Running' | 'Succeeded') => {
      const revisions = [revision('new', 2), revision('newer', 3, { migration })];
      return planFor({ target: 'newer', position: started.position, revisions });
    };
    assert.deepEqual(continueWith('Running').route, { weights: { new: 100 } });
    assert.deepEqual(continueWith('Succeeded').route?.weights, { newer: 100 });
    const { position: retried } = planFor(
      { target: 'newer', position: { ...after, failed }, revisions },
      soaked,
      retry,
    );
    assert.deepEqual([retried.update, retried.attempt, retried.rerunMigrations], ['newer', 3, true]);
    const { position: newDelivery } = planFor({ target: 'newer', position: after, revisions });
    assert.deepEqual(
      [newDelivery.attempt, newDelivery.rerunMigrations],
      [undefined, undefined],
      'a delivery without a failure does not rerun the migrations',
    );
  });
});
