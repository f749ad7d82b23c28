import assert from 'node:assert/strict';
import fc from 'fast-check';
import { judgeLink } from '../../../operator/approvals/judge-link.js';
import type { LinkClaims } from '../../../operator/approvals/token.js';
import type { Decision } from '../../../operator/delivery/delivery-plan.js';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import { approvalId, deliveryId, stepId } from '../../../operator/delivery/request-ids.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { propertyRuns } from '../../support/runner/property-runs.js';
import { ModelCluster } from './model-cluster.js';

const HOUR = 3_600_000;
const pause = (weight: number) => ({ weight, holdMs: 0, pause: true });

/** Reconciles with Jobs and pods that succeed, until nothing changes. Returns the decisions. */
function settle(cluster: ModelCluster, rounds = 8): Decision[] {
  return Array.from({ length: rounds }).flatMap(() => {
    const { decisions } = cluster.reconcile();
    cluster.heal();
    cluster.pass(3_000);
    return decisions;
  });
}

/** The delivery of `b` waits at its first step. */
function waiting(settings: Partial<DeliverySpec> = {}) {
  const stages = [pause(10), pause(50)];
  const announceApprovals = { linksExpireAfterMs: 4 * HOUR };
  const cluster = new ModelCluster({ stages, announceApprovals, ...settings });
  settle(cluster);
  cluster.target = 'b';
  const decisions = settle(cluster);
  assert.equal(cluster.position.step, 0);
  return { cluster, decisions };
}

const announcements = (decisions: readonly Decision[]) =>
  decisions.filter(({ type }) => type === 'ApprovalRequested');

function waitsFor(cluster: ModelCluster) {
  const { step, requeueAfterMs } = cluster.reconcile();
  return { message: step?.waitingFor, requeueAfterMs };
}

describe('the wait for a manual promotion', () => {
  it('is neither recorded nor announced without the event in the spec', () => {
    const { cluster, decisions } = waiting({ announceApprovals: undefined });
    assert.deepEqual(announcements(decisions), []);
    assert.equal(cluster.position.approval, undefined);
  });

  it('is announced once, with links that expire, and the message changes when they do', () => {
    const { cluster, decisions } = waiting();
    assert.deepEqual(announcements(decisions), [
      { type: 'ApprovalRequested', revision: 'b', step: 0, of: 2 },
    ]);
    const { since, linksExpireAt } = cluster.position.approval!;
    assert.equal(Date.parse(linksExpireAt!) - Date.parse(since), 4 * HOUR);
    const before = waitsFor(cluster);
    const end = `${linksExpireAt!.slice(0, 19)}Z`;
    assert.equal(before.message, `manual promotion: kubectl pcf promote, or an approval link until ${end}`);
    assert.equal(before.requeueAfterMs, Date.parse(linksExpireAt!) - cluster.now);
    cluster.pass(before.requeueAfterMs!);
    const after = waitsFor(cluster);
    assert.equal(
      after.message,
      `manual promotion: kubectl pcf promote (its approval links expired at ${end})`,
    );
    assert.equal(after.requeueAfterMs, undefined);
    assert.deepEqual(announcements(settle(cluster)), []);
  });

  it('its links expire by the system clock, and by the elapsed time if that clock is set back', () => {
    const { cluster } = waiting();
    cluster.systemOffsetMs = -24 * HOUR;
    cluster.pass(4 * HOUR - 60_000);
    assert.match(waitsFor(cluster).message!, /or an approval link until/);
    cluster.pass(60_000);
    assert.match(waitsFor(cluster).message!, /its approval links expired/);
    assert.equal(cluster.position.approval!.linksExpired, true);

    const ahead = new ModelCluster({ stages: [pause(10)], announceApprovals: { linksExpireAfterMs: HOUR } });
    settle(ahead);
    ahead.systemOffsetMs = 24 * HOUR;
    ahead.target = 'b';
    settle(ahead);
    const { linksExpireAt } = ahead.position.approval!;
    const leftMs = Date.parse(linksExpireAt!) - (ahead.now + ahead.systemOffsetMs);
    assert.ok(
      leftMs > 0 && leftMs <= HOUR,
      'the end is a time of the system clock, which the page compares it with',
    );
  });

  it('PROPERTY: no link is open longer than it is valid, however the system clock is moved, and an expired one is never open again', () => {
    const operation = fc.oneof(
      fc.record({ moveMs: fc.integer({ min: -48 * HOUR, max: 48 * HOUR }) }),
      fc.record({ passMs: fc.integer({ min: 1, max: 2 * HOUR }) }),
    );
    const states = { opened: 0, expired: 0 };
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 20 }), (operations) => {
        const { cluster } = waiting();
        const { since, linksExpireAt } = cluster.position.approval!;
        const claims: LinkClaims = {
          ...{ uid: 'uid-1', action: 'approve', webhook: 'team', approval: approvalId(cluster.position)! },
          expiresAt: Math.floor(Date.parse(linksExpireAt!) / 1_000),
        };
        const api = pcfApi({ notifications: { webhooks: [], approvalLinks: {} } as never });
        let isExpired = false;
        for (const one of operations) {
          if ('moveMs' in one) cluster.systemOffsetMs += one.moveMs;
          else cluster.pass(one.passMs);
          cluster.reconcile();
          api.status = { delivery: cluster.position };
          const names = { promote: 'promote', abort: 'abort' };
          const { state } = judgeLink(api, claims, names, cluster.now + cluster.systemOffsetMs);
          if (state === 'Open') {
            assert.ok(!isExpired, 'it has expired before');
            assert.ok(cluster.now - Date.parse(since) < 4 * HOUR, 'it is valid for four hours');
          } else assert.equal(state, 'Expired');
          isExpired ||= state === 'Expired';
        }
        states[isExpired ? 'expired' : 'opened'] += 1;
      }),
      { numRuns: propertyRuns(200) },
    );
    assert.ok(states.opened > 0 && states.expired > 0, JSON.stringify(states));
  });

  it('ends with the request of its link, which is recorded with its user, and the next step has another id', () => {
    const { cluster } = waiting();
    const id = approvalId(cluster.position);
    cluster.settings.requests = { promote: id, decidedBy: 'ann' };
    const decisions = settle(cluster);
    const completed = decisions.filter(({ type }) => type === 'StepCompleted');
    assert.deepEqual(completed, [
      { type: 'StepCompleted', revision: 'b', step: 0, of: 2, next: 1, by: 'ann' },
    ]);
    assert.deepEqual(
      cluster.position.approvals?.map(({ step, by }) => [step, by]),
      [[0, 'ann']],
    );
    assert.notEqual(approvalId(cluster.position), id);
    assert.equal(announcements(decisions).length, 1);
  });

  it('is announced again, with another id, after canaryWeight has replaced the steps for a while', () => {
    const { cluster } = waiting();
    const id = approvalId(cluster.position);
    cluster.settings.canaryWeight = 10;
    settle(cluster);
    assert.equal(cluster.position.approval, undefined);
    cluster.settings.canaryWeight = undefined;
    assert.equal(announcements(settle(cluster)).length, 1);
    assert.notEqual(approvalId(cluster.position), id);
    cluster.settings.requests = { promote: id };
    assert.deepEqual(settle(cluster), []);
  });

  it('gets links when they are enabled during the wait, and loses them when they are disabled', () => {
    const { cluster } = waiting({ announceApprovals: {} });
    assert.equal(cluster.position.approval?.linksExpireAt, undefined);
    cluster.settings.announceApprovals = { linksExpireAfterMs: HOUR };
    assert.equal(announcements(settle(cluster)).length, 1);
    assert.notEqual(cluster.position.approval?.linksExpireAt, undefined);
    cluster.settings.announceApprovals = {};
    assert.deepEqual(settle(cluster), []);
    assert.equal(cluster.position.approval?.linksExpireAt, undefined);
  });

  for (const [what, hinder] of Object.entries({
    'the delivery is paused': (cluster: ModelCluster, is: boolean) => {
      cluster.settings.paused = is;
    },
    'the weight is not effective': (cluster: ModelCluster, is: boolean) => {
      cluster.revisions.get('b')!.ready = is ? 0 : cluster.revisions.get('b')!.replicas;
    },
  }))
    it(`does not get revoked links back if they were disabled and enabled again while ${what}`, () => {
      const { cluster } = waiting();
      const id = approvalId(cluster.position);
      hinder(cluster, true);
      cluster.settings.announceApprovals = {};
      cluster.reconcile();
      assert.equal(cluster.position.approval?.linksExpireAt, undefined);
      cluster.settings.announceApprovals = { linksExpireAfterMs: HOUR };
      cluster.reconcile();
      assert.equal(cluster.position.approval?.linksExpireAt, undefined);
      hinder(cluster, false);
      assert.equal(announcements(settle(cluster)).length, 1);
      assert.notEqual(approvalId(cluster.position), id);
      cluster.settings.requests = { promote: id };
      assert.deepEqual(settle(cluster), []);
    });

  it('ends when the spec describes another revision, whose start a window holds, and starts again with another id', () => {
    const { cluster } = waiting();
    const id = approvalId(cluster.position);
    cluster.held = ['Start'];
    cluster.target = 'c';
    assert.deepEqual(settle(cluster), []);
    assert.equal(cluster.position.update, 'b');
    assert.equal(approvalId(cluster.position), undefined);
    cluster.target = 'b';
    assert.equal(announcements(settle(cluster)).length, 1);
    assert.notEqual(approvalId(cluster.position), id);
  });

  it('PROPERTY: the request of a link promotes the step that it was issued for, once, whatever else happens', () => {
    const operation = fc.oneof(
      fc.constantFrom(
        'settle',
        'crash',
        'replay',
        'use',
        'promote',
        'abort',
        'retry',
        'flip',
        'weight',
        'steps',
      ),
      fc.record({ target: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ replay: fc.nat({ max: 20 }) }),
    );
    const scenarios = fc.array(operation, { minLength: 5, maxLength: 40 });
    fc.assert(
      fc.property(scenarios, (operations) => {
        const cluster = new ModelCluster({
          stages: [pause(10), pause(50)],
          announceApprovals: { linksExpireAfterMs: HOUR },
        });
        const { settings } = cluster;
        const issued: string[] = [];
        const promoted: string[] = [];
        const reconcile = () => {
          const id = approvalId(cluster.position);
          const { decisions } = cluster.reconcile();
          for (const decision of decisions) {
            if (decision.type !== 'StepCompleted' || !decision.by) continue;
            assert.equal(settings.requests.promote, id, 'the request names the recorded wait');
            promoted.push(id!);
          }
          const next = approvalId(cluster.position);
          if (next && next !== id) issued.push(next);
          cluster.heal();
          cluster.pass(3_000);
        };
        for (const one of operations) {
          if (typeof one === 'object' && 'target' in one) cluster.target = one.target;
          else if (typeof one === 'object') {
            const id = issued[one.replay % Math.max(1, issued.length)];
            settings.requests = { promote: id, decidedBy: 'someone' };
          } else if (one === 'use')
            settings.requests = { promote: approvalId(cluster.position), decidedBy: 'someone' };
          else if (one === 'promote') settings.requests = { promote: stepId(cluster.position) };
          else if (one === 'abort') settings.requests = { abort: deliveryId(cluster.position) };
          else if (one === 'retry') {
            const { failed } = cluster.position;
            settings.requests = { retry: `${failed?.revision}@${failed?.at}` };
          } else if (one === 'flip')
            settings.strategy = settings.strategy === 'Canary' ? 'BlueGreen' : 'Canary';
          else if (one === 'weight')
            settings.canaryWeight = settings.canaryWeight === undefined ? 10 : undefined;
          else if (one === 'steps')
            settings.stages =
              settings.stages.length === 2 ? [pause(10), pause(50), pause(80)] : [pause(10), pause(50)];
          for (let round = 0; round < 4; round++) reconcile();
        }
        assert.equal(new Set(issued).size, issued.length, 'an id is issued once');
        assert.equal(new Set(promoted).size, promoted.length, 'an id promotes once');
      }),
      { numRuns: propertyRuns(1_000) },
    );
  });
});
