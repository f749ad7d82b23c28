import assert from 'node:assert/strict';
import type { Decision } from '../../../operator/delivery/delivery-plan.js';
import { deliveryEvents } from '../../../operator/notify/delivery-events.js';
import { headline } from '../../../operator/notify/event.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const [STARTED, DONE] = ['2026-11-23T12:00:00.000Z', '2026-11-23T12:30:00.000Z'];

describe('deliveryEvents', () => {
  const eventsOf = (decision: Decision, position: object) =>
    deliveryEvents(
      [decision],
      position,
      (name) => ({ image: `pcf-api:${name}`, source: { commit: 'c0ffee' } }),
      ({ type }) => (type === 'Started' ? 'flux' : undefined),
    );

  it('returns a Started event with the serving revision and the user', () => {
    const position = { update: 'new', stable: 'old', startedAt: STARTED };
    assert.deepEqual(eventsOf({ type: 'Started', revision: 'new' }, position), [
      {
        ...{ type: 'Started', revision: 'new', at: STARTED, from: 'old' },
        ...{ image: 'pcf-api:new', commit: 'c0ffee', by: 'flux' },
      },
    ]);
  });

  it('returns events for a promotion, an abort with its reason, and an undo', () => {
    const promoted = { stable: 'new', previous: 'old', startedAt: STARTED, promotedAt: DONE };
    const failed = { revision: 'new', reason: 'AnalysisFailed', message: 'errors', at: DONE };
    const events = [
      ...eventsOf({ type: 'Promoted', revision: 'new' }, promoted),
      ...eventsOf(
        { type: 'Aborted', revision: 'new', reason: 'AnalysisFailed', message: 'errors' },
        { failed },
      ),
      ...eventsOf({ type: 'Promoted', revision: 'old', undone: 'new' }, { ...promoted, stable: 'old' }),
    ];
    assert.deepEqual(
      events.map((event) => [event.at, headline(pcfApi(), event)]),
      [
        [DONE, 'platform/api: new was promoted'],
        [DONE, 'platform/api: new was aborted: AnalysisFailed: errors'],
        [DONE, 'platform/api: new was undone: old receives the traffic again'],
      ],
    );
  });

  it('returns no events for completed steps and the start of an undo', () => {
    const position = { update: 'new', stable: 'old', startedAt: STARTED };
    assert.deepEqual(
      eventsOf({ type: 'StepCompleted', revision: 'new', step: 0, of: 2, next: 1 }, position),
      [],
    );
    assert.deepEqual(eventsOf({ type: 'Started', revision: 'old', undo: true }, position), []);
  });
});
