import assert from 'node:assert/strict';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { plan } from '../../../operator/delivery/plan.js';
import { type ClusterView, observe } from '../../../operator/reconciler/observe.js';
import { deliverySettings } from '../../../operator/reconciler/settings.js';
import { statusOf } from '../../../operator/reconciler/status.js';
import { summarize } from '../../../operator/reconciler/summary.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { pcfApi } from '../../support/fixtures.js';

const empty: ClusterView = {
  userRoute: () => undefined,
  get: () => undefined,
  ownedBy: () => [],
  secret: () => undefined,
  available: () => true,
  foreignAutoscalers: () => [],
  claimants: () => [],
};

const NO_IMAGE = { state: { waiting: { reason: 'ImagePullBackOff', message: 'not found' } } };

/** The status that the operator writes at this time, given the one before. */
function look(api: PcfApi, at: string, caches = empty) {
  const now = Date.parse(at);
  const seen = observe(api, caches);
  const settings = deliverySettings(api, seen.router);
  const planned = plan({ ...seen.delivery, routeAgeMs: 0 }, settings, now);
  return statusOf(seen, planned, summarize(seen, planned, now), [], [], now);
}

describe('the status', () => {
  it('says since when it waits, in the same words for as long as it does', () => {
    const api = pcfApi();
    api.status = look(api, '2026-11-23T12:00:00Z');
    const [ready] = api.status.conditions ?? [];
    assert.equal(api.status.reason, 'SecretMissing');
    assert.match(ready?.message ?? '', /does not exist since 2026-11-23T12:00:00Z; no pod is started/);
    const { conditions, since } = look(api, '2026-11-23T12:05:00Z');
    assert.deepEqual({ conditions, since }, { conditions: api.status.conditions, since: api.status.since });
    api.status.reason = 'Ready';
    const again = look(api, '2026-11-23T12:10:00Z');
    assert.equal(again.since, '2026-11-23T12:10:00Z', 'it came again');
  });

  it('says what keeps the pod of a contract from beginning', () => {
    const api = pcfApi();
    const { target: stable } = observe(api, empty).delivery;
    const job = `${stable}-contract`;
    const labels = (stage: object) => ({ 'pcf.dev/revision': stable, ...stage });
    const made: Record<string, KubeObject> = {
      Job: {
        ...{ apiVersion: 'batch/v1', kind: 'Job' },
        metadata: { name: job, labels: labels({ 'pcf.dev/migration': 'contract' }) },
      },
      Pod: {
        ...{ apiVersion: 'v1', kind: 'Pod', status: { phase: 'Pending', containerStatuses: [NO_IMAGE] } },
        metadata: {
          name: 'm',
          labels: labels({
            'app.kubernetes.io/component': 'migration',
            'batch.kubernetes.io/job-name': job,
          }),
        },
      } as KubeObject,
    };
    api.status = { delivery: { stable, promotedAt: '2026-11-23T12:00:00Z' } };
    const ownedBy: ClusterView['ownedBy'] = ({ kind }) => (made[kind] ? [made[kind]] : []);
    const { migration } = look(api, '2026-11-23T12:05:00Z', { ...empty, ownedBy });
    assert.equal(migration?.phase, 'contract');
    assert.equal(migration?.message, 'm: ImagePullBackOff: not found');
  });
});
