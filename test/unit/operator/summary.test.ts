import assert from 'node:assert/strict';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { plan } from '../../../operator/delivery/plan.js';
import { type ClusterView, observe } from '../../../operator/reconciler/observe.js';
import { deliverySettings } from '../../../operator/reconciler/settings.js';
import { statusOf } from '../../../operator/reconciler/status.js';
import { summarize } from '../../../operator/reconciler/summary.js';
import { pcfApi } from '../../support/fixtures.js';

const empty: ClusterView = {
  userRoute: () => undefined,
  get: () => undefined,
  ownedBy: () => [],
  secret: () => undefined,
  available: () => true,
  foreignAutoscalers: () => [],
};

/** The status that the operator writes at this time, given the one before. */
function look(api: PcfApi, at: string) {
  const now = Date.parse(at);
  const seen = observe(api, empty);
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
});
