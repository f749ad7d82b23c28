import assert from 'node:assert/strict';
import fc from 'fast-check';
import { RUN_FACTOR } from '../../support/runner/property-runs.js';
import { contractInvariants } from './invariants/contract.js';
import { isRecovering } from './invariants/moment.js';
import { runs, windowHistory } from './random-history.js';
import { replay, settleCalm } from './replay.js';

describe('plan, with random events and crash points', () => {
  it('with a window after contract, delivers a revision below the rollback floor only after a restore', function () {
    this.timeout(60_000 * Math.max(1, RUN_FACTOR));
    const seen = { restored: 0, purged: 0 };
    fc.assert(
      fc.property(windowHistory, (past) => {
        const cluster = replay(past, (moment) => {
          if (isRecovering(moment)) return;
          for (const check of Object.values(contractInvariants)) check(moment);
          seen.purged += moment.plan.job?.stage === 'purge' ? 1 : 0;
          seen.restored += moment.plan.decisions.some(({ type }) => type === 'ContractRestored') ? 1 : 0;
        });
        settleCalm(cluster);
        const { stable, update, failed } = cluster.position;
        const plan = cluster.reconcile();
        assert.equal(plan.restoring, undefined, 'the restore does not end');
        assert.ok([stable, update, failed?.revision].includes(cluster.target) || plan.refused);
        assert.deepEqual(cluster.broken(), []);
        // A contract is recorded before its Job is created.
        const { migrations = [], unfinished = [] } = cluster.position.contracted ?? {};
        assert.deepEqual(
          migrations.filter((one) => !unfinished.includes(one) && !cluster.schema.has(one)),
          [],
          'migrations that a restore reversed are recorded as contracted',
        );
      }),
      runs(1_000),
    );
    assert.ok(seen.restored > 0 && seen.purged > 0, JSON.stringify(seen));
  });
});
