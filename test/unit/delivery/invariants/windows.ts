/** Steps that closed windows hold. */
import assert from 'node:assert/strict';
import { latestContract } from '../../../../operator/delivery/recorded-position.js';
import { deliveryId } from '../../../../operator/delivery/request-ids.js';
import { effectiveShare } from '../../../../operator/delivery/route-share.js';
import { type Invariants, isReady, viewOf } from './moment.js';

export const windowsInvariants: Invariants = {
  'a closed window holds each of its steps, except on the way back to a revision that was stable'(moment) {
    const { observation, plan } = moment;
    const { position, gate, revisions, route } = observation;
    const numberOf = (revision: string) => viewOf(moment, revision)?.number ?? 0;
    const isWayBack = (revision: string) =>
      !position.stable ||
      revision === position.previous ||
      (position.undo && revision === position.update) ||
      (position.served?.includes(revision) && numberOf(revision) < numberOf(position.stable));
    for (const { type, revision } of plan.decisions) {
      if (gate?.held.Start && type === 'Started') assert.ok(isWayBack(revision), `${revision} starts`);
      if (gate?.held.Promotion && type === 'Promoted')
        assert.ok(isWayBack(revision), `${revision} is promoted`);
    }
    // The start is also recorded if the operator was killed before it wrote the status.
    const records = revisions.map(({ record }) => record);
    const started = latestContract(position.contracted, records)?.revision;
    if (gate?.held.Contract && plan.job?.stage === 'contract')
      assert.equal(started, plan.job.revision, 'contract starts');
    const { update, stable } = plan.position;
    if (!gate?.held.Weight || !update || isWayBack(update) || !isReady(moment, stable)) return;
    const before = effectiveShare(route, revisions, update);
    // The observation was made before this plan: a share may return to the one at the start of the closure.
    const most = Math.max(before, position.update === update ? (position.heldWeight ?? 0) : 0);
    if (!plan.route?.byPods)
      assert.ok((plan.route?.weights[update] ?? 0) <= most, `${update} gets more than ${most} %`);
  },

  'a closed window never holds an abort'({ observation, settings, plan }) {
    const { position } = observation;
    if (!position.stable || !position.update || settings.requests.abort !== deliveryId(position)) return;
    assert.equal(plan.position.failed?.revision, position.update);
    assert.equal(plan.position.update, undefined);
  },
};
