/** Contract, and the restore and purge of its window: no code runs on a schema that it does not support. */
import assert from 'node:assert/strict';
import type { Invariants } from './moment.js';

export const contractInvariants: Invariants = {
  'no contract runs while a pod needs the old schema, and no such pod starts after it'({ cluster }) {
    assert.deepEqual(cluster.broken(), [], `pods that do not support ${[...cluster.schema]}`);
    for (const [revision, { replicas }] of cluster.revisions) {
      if (replicas > 0 && revision !== cluster.position.stable && cluster.schema.has('B'))
        assert.notEqual(revision, 'a', 'a gets pods below the floor');
    }
  },

  'a restore starts only if the target needs it, and no purge has started'({ plan, observation, cluster }) {
    if (plan.job?.stage !== 'restore') return;
    assert.notEqual(observation.target, plan.position.stable);
    const { purge } = cluster.revisions.get(plan.job.revision)?.jobs ?? {};
    assert.equal(purge, 'Absent');
  },

  'no purge drops what the target needs from a contract'({ plan }) {
    if (plan.job?.stage === 'purge') assert.equal(plan.refused, undefined);
  },

  'no contract starts before the end of the soak, also when the clock is changed'({
    plan,
    settings,
    cluster,
  }) {
    if (plan.job?.stage !== 'contract') return;
    assert.ok(cluster.now >= Date.parse(plan.position.promotedAt!) + settings.contractDelayMs!);
    assert.equal(plan.position.update, undefined);
  },
};
