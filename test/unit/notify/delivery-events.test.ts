import assert from 'node:assert/strict';
import type { Decision } from '../../../operator/delivery/delivery-plan.js';
import { deliveryEvents } from '../../../operator/notify/delivery-events.js';
import { headline } from '../../../operator/notify/event.js';
import { pcfApi } from '../../support/fixtures.js';

const [BEGAN, DONE] = ['2026-11-23T12:00:00.000Z', '2026-11-23T12:30:00.000Z'];

describe('what people are told of a plan', () => {
  const tell = (decision: Decision, position: object) =>
    deliveryEvents(
      [decision],
      position,
      (name) => ({ image: `pcf-api:${name}`, source: { commit: 'c0ffee' } }),
      ({ type }) => (type === 'Started' ? 'flux' : undefined),
    );

  it('that a delivery began, with the revision that serves, and by whom', () => {
    const position = { update: 'new', stable: 'old', startedAt: BEGAN };
    assert.deepEqual(tell({ type: 'Started', revision: 'new' }, position), [
      {
        ...{ type: 'Started', revision: 'new', at: BEGAN, from: 'old' },
        ...{ image: 'pcf-api:new', commit: 'c0ffee', by: 'flux' },
      },
    ]);
  });

  it('that it was promoted, aborted or undone, and why', () => {
    const promoted = { stable: 'new', previous: 'old', startedAt: BEGAN, promotedAt: DONE };
    const failed = { revision: 'new', reason: 'AnalysisFailed', message: 'errors', at: DONE };
    const words = [
      ...tell({ type: 'Promoted', revision: 'new' }, promoted),
      ...tell({ type: 'Aborted', revision: 'new', reason: 'AnalysisFailed', message: 'errors' }, { failed }),
      ...tell({ type: 'Promoted', revision: 'old', undone: 'new' }, { ...promoted, stable: 'old' }),
    ];
    assert.deepEqual(
      words.map((event) => [event.at, headline(pcfApi(), event)]),
      [
        [DONE, 'platform/api: new was promoted'],
        [DONE, 'platform/api: new was aborted: AnalysisFailed: errors'],
        [DONE, 'platform/api: new was undone: old receives the traffic again'],
      ],
    );
  });

  it('and nothing of the steps between', () => {
    const position = { update: 'new', stable: 'old', startedAt: BEGAN };
    assert.deepEqual(tell({ type: 'StepCompleted', revision: 'new', step: 0, of: 2, next: 1 }, position), []);
    assert.deepEqual(tell({ type: 'Started', revision: 'old', undo: true }, position), []);
  });
});
