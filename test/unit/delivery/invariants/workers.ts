/** Pods of the worker. */
import assert from 'node:assert/strict';
import { type Invariants, isRecovering, readyWorkers, viewOf } from './moment.js';

export const workersInvariants: Invariants = {
  'no worker runs before the migrations of its revision succeeded, nor of a revision without traffic'(
    moment,
  ) {
    if (isRecovering(moment)) return;
    const { workers = {}, position, replicas } = moment.plan;
    for (const [revision, desired] of Object.entries(workers)) {
      if (desired === 0 || revision === position.stable) continue;
      if (revision === position.update)
        assert.equal(viewOf(moment, revision)?.migration, 'Succeeded', revision);
      if (revision === position.update && (position.undo || position.weight! > 0)) continue;
      // The revision before the stable one retains one as long as its pods. All others replace what is not ready yet.
      const isRetained = revision === position.previous && desired === 1 && replicas[revision]! > 0;
      if (!isRetained) assert.ok(desired <= readyWorkers(moment, revision), `${revision} gets a worker`);
    }
  },

  'the workers of all revisions are as many as one needs, one more, or as many again until they are ready'(
    moment,
  ) {
    if (isRecovering(moment)) return;
    const { workers = {}, position } = moment.plan;
    const full = moment.settings.workers?.replicas ?? 0;
    const { stable, update, undo } = position;
    const [old = 0, added = 0] = [workers[stable ?? ''], workers[update ?? '']];
    if (full === 0 || !stable) return assert.deepEqual(workers, {});
    assert.ok(old + added > 0, 'no worker');
    assert.ok(old <= full);
    if (!undo) assert.ok(old >= Math.max(1, full - readyWorkers(moment, update)));
    const total = Object.values(workers).reduce((sum, replicas) => sum + replicas, 0);
    assert.ok(
      total <= 2 * full + 1,
      `${total} workers of ${full}: the connection budget has twice as many, and one`,
    );
  },

  'the number of ready workers does not fall below spec.components.worker.replicas'(moment) {
    if (isRecovering(moment)) return;
    const { workers = {}, position } = moment.plan;
    const full = moment.settings.workers?.replicas ?? 0;
    if (!position.stable) return;
    let [before, after] = [0, 0];
    for (const { name, migration } of moment.observation.revisions) {
      const isAborted = position.failed?.revision === name;
      const isRerun = position.update === name && migration !== 'Succeeded';
      if (isAborted || isRerun) continue;
      const ready = readyWorkers(moment, name);
      before += ready;
      after += Math.min(ready, workers[name] ?? 0);
    }
    assert.ok(after >= Math.min(before, full), `${after} of ${before} ready workers remain, of ${full}`);
  },

  'an aborted revision has workers only while no other worker is ready, but for an analysis not after its pods'({
    observation,
    plan: { workers = {}, position, replicas },
  }) {
    const { stable, update, failed } = position;
    if (!failed || !workers[failed.revision] || [stable, update].includes(failed.revision)) return;
    for (const { name, workers: { ready = 0 } = {} } of observation.revisions)
      if (name === stable || name === update) assert.ok(Math.min(ready, workers[name] ?? 0) === 0, name);
    if (failed.reason === 'AnalysisFailed') assert.ok((replicas[failed.revision] ?? 0) > 0);
  },
};
