import assert from 'node:assert/strict';
import { Registry } from 'prom-client';
import type { DeliveryRecord } from '../../../operator/api/v1alpha1/status.js';
import { DeliveryMetrics } from '../../../operator/reconciler/delivery-metrics.js';
import { finishedDeliveries, history } from '../../../operator/reconciler/history.js';
import type { Observed } from '../../../operator/reconciler/observed.js';
import { newRevision } from '../../../operator/resources/revision.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const now = Date.parse('2026-11-23T12:00:00Z');
const at = (minutesAgo: number) => new Date(now - minutesAgo * 60_000).toISOString();

function record(over: Partial<DeliveryRecord> = {}): DeliveryRecord {
  return {
    revision: 'api-new',
    number: 2,
    image: 'a:2',
    startedAt: at(10),
    finishedAt: at(0),
    outcome: 'Promoted',
    ...over,
  };
}

describe('delivery records', () => {
  const api = pcfApi({ source: { commit: '4f2c1e9', committedAt: at(60) } });
  api.metadata.managedFields = [
    { manager: 'kubectl', fieldsV1: { 'f:spec': { 'f:replicas': {} } } },
    { manager: 'flux', fieldsV1: { 'f:spec': { 'f:image': {} } } },
  ];
  const revision = newRevision(api, 2);
  const observed = {
    api,
    revisions: new Map([[revision.name, revision]]),
    delivery: {
      target: revision.name,
      position: { update: revision.name, startedAt: at(10), firstTrafficAt: at(5) },
    },
  } as unknown as Observed;
  const recordsOf = (decision: object) =>
    finishedDeliveries(observed, { decisions: [decision] } as never, now);

  it('contain the revision, commit, field manager, times and outcome', () => {
    const decision = { type: 'Aborted', revision: revision.name, reason: 'CrashLoop', message: '' };
    assert.deepEqual(recordsOf(decision), [
      {
        revision: revision.name,
        number: 2,
        image: api.spec.image,
        commit: '4f2c1e9',
        committedAt: at(60),
        startedAt: at(10),
        firstTrafficAt: at(5),
        finishedAt: at(0),
        outcome: 'Aborted',
        reason: 'CrashLoop',
        by: 'pcf-operator',
      },
    ]);
  });

  it('contain finished deliveries only, and distinguish a promotion from an undo', () => {
    assert.deepEqual(recordsOf({ type: 'Started', revision: revision.name }), []);
    const [promoted] = recordsOf({ type: 'Promoted', revision: revision.name });
    assert.deepEqual([promoted?.outcome, promoted?.by], ['Promoted', 'flux']);
    assert.equal(recordsOf({ type: 'Promoted', revision: revision.name, undone: 'x' })[0]?.outcome, 'Undone');
  });

  it('have outcome RolledBack for a cancelled revision with traffic, and Cancelled for one without', () => {
    const decision = { type: 'Cancelled', revision: revision.name };
    assert.equal(recordsOf(decision)[0]?.outcome, 'RolledBack');
    const withoutTraffic = {
      ...observed,
      delivery: { position: { update: revision.name } },
    } as unknown as Observed;
    assert.equal(
      finishedDeliveries(withoutTraffic, { decisions: [decision] } as never, now)[0]?.outcome,
      'Cancelled',
    );
  });

  it('are limited to the 20 newest', () => {
    api.status = { history: Array.from({ length: 20 }, (_, index) => record({ number: index })) };
    const stored = history(api, [record({ number: 99 })]);
    assert.equal(stored?.length, 20);
    assert.equal(stored?.[0]?.number, 99);
  });
});

describe('DeliveryMetrics', () => {
  async function metricsAfter(finished: DeliveryRecord, before: DeliveryRecord[] = []): Promise<string> {
    const registry = new Registry();
    new DeliveryMetrics(registry).record(pcfApi(), [finished], before);
    return registry.metrics();
  }

  it('counts deliveries by outcome, and measures their duration and lead time', async () => {
    const text = await metricsAfter(record({ committedAt: at(60) }));
    assert.match(text, /pcf_deliveries_total\{namespace="platform",name="api",outcome="Promoted"\} 1/);
    assert.match(text, /pcf_delivery_duration_seconds_sum\{[^}]*\} 600/);
    assert.match(text, /pcf_delivery_lead_time_seconds_sum\{[^}]*\} 3600/);
    assert.doesNotMatch(text, /time_to_restore_seconds_sum\{/);
  });

  it('starts at 0, so that increase() includes the first delivery, and deletes the series with the PcfApi', async () => {
    const registry = new Registry();
    const metrics = new DeliveryMetrics(registry);
    metrics.record(pcfApi(), []);
    const aborted = 'pcf_deliveries_total{namespace="platform",name="api",outcome="Aborted"}';
    assert.ok((await registry.metrics()).includes(`${aborted} 0`));
    metrics.record(pcfApi(), [record({ outcome: 'Aborted' })]);
    metrics.record(pcfApi(), []);
    assert.ok((await registry.metrics()).includes(`${aborted} 1`));
    metrics.forget('platform', 'api');
    assert.ok(!(await registry.metrics()).includes(aborted));
  });

  it('measures the time to restore from the first traffic to the abort, the rollback or the undo of the promotion', async () => {
    const aborted = await metricsAfter(record({ outcome: 'Aborted', firstTrafficAt: at(3) }));
    assert.match(aborted, /pcf_delivery_time_to_restore_seconds_sum\{[^}]*\} 180/);
    const bad = record({ firstTrafficAt: at(30), finishedAt: at(20) });
    const undone = await metricsAfter(record({ outcome: 'Undone', startedAt: at(0) }), [bad]);
    assert.match(undone, /pcf_delivery_time_to_restore_seconds_sum\{[^}]*\} 1800/);
    const back = await metricsAfter(record({ outcome: 'RolledBack', firstTrafficAt: at(4) }));
    assert.match(back, /pcf_delivery_time_to_restore_seconds_sum\{[^}]*\} 240/);
    const taken = record({ outcome: 'Undone', firstTrafficAt: at(9), finishedAt: at(8) });
    const twice = await metricsAfter(record({ outcome: 'Undone', startedAt: at(0) }), [taken, bad]);
    assert.match(
      twice,
      /pcf_delivery_time_to_restore_seconds_sum\{[^}]*\} 540/,
      'measured from the newest record',
    );
    const withoutTraffic = await metricsAfter(record({ outcome: 'Aborted' }));
    assert.doesNotMatch(
      withoutTraffic,
      /time_to_restore_seconds_sum\{/,
      'no time to restore without traffic',
    );
  });
});
