import assert from 'node:assert/strict';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import type { PcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import type { DeliveryPlan } from '../../../operator/delivery/delivery-plan.js';
import type { WindowView } from '../../../operator/delivery/observation.js';
import { plan } from '../../../operator/delivery/plan.js';
import type { MigrationView } from '../../../operator/migrations/migration-view.js';
import { findIssues } from '../../../operator/reconciler/issues.js';
import { migrationStatus } from '../../../operator/reconciler/migration-status.js';
import { observe } from '../../../operator/reconciler/observe.js';
import type { ClusterView, Observed } from '../../../operator/reconciler/observed.js';
import { statusOf } from '../../../operator/reconciler/pcfapi-status.js';
import { EMPTY_CLUSTER } from '../../../operator/reconciler/render.js';
import { deliverySpecOf } from '../../../operator/reconciler/strategies.js';
import { summarize } from '../../../operator/reconciler/summary.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const NO_IMAGE = { state: { waiting: { reason: 'ImagePullBackOff', message: 'not found' } } };

/** The status that the operator writes at this time, with the previous status in `api`. */
function statusAt(api: PcfApi, at: string, caches = EMPTY_CLUSTER) {
  const now = Date.parse(at);
  const observed = observe(api, caches);
  const settings = deliverySpecOf(api, observed.router);
  const planned = plan({ ...observed.delivery, routeAgeMs: 0 }, settings, now);
  return statusOf(observed, planned, summarize(observed, planned, now), [], [], now);
}

/** The status during a canary at 10 %. The stable revision has three pods, some of them ready. */
function canaryStatus(ready: number, spec: Partial<PcfApiSpec> = {}) {
  const api = pcfApi({ image: 'registry.example.com/pcf-api:1.1.0', canaryWeight: 10, ...spec });
  const observed = observe(api, EMPTY_CLUSTER);
  const { target: update } = observed.delivery;
  const plan: DeliveryPlan = {
    position: { stable: 'api-stable', update },
    replicas: { 'api-stable': 3, [update]: 1 },
    route: { weights: { 'api-stable': 90, [update]: 10 }, header: update },
    traffic: { desiredWeight: 10, effectiveWeight: 10, verified: true },
    decisions: [],
  };
  const view = { migration: 'Succeeded' as const, nextAttempt: 1 };
  const revisions = [
    { ...view, name: 'api-stable', replicas: 3, ready },
    { ...view, name: update, replicas: 1, ready: 1 },
  ];
  const trouble = new Map([['api-stable', "web-2 can't be scheduled: 0/1 nodes are available"]]);
  const now: Observed = {
    ...observed,
    missingSecrets: [],
    trouble,
    delivery: { ...observed.delivery, revisions },
  };
  const at = Date.parse('2026-11-23T12:00:00Z');
  const verdict = summarize(now, plan, at);
  const status = statusOf(now, plan, verdict, findIssues(now, [], plan), [], at);
  const conditions = new Map(status.conditions?.map((one) => [one.type, one]));
  return { phase: status.phase, ready: conditions.get('Ready'), degraded: conditions.get('Degraded') };
}

describe('status with unready pods of the stable revision during a canary', () => {
  it('is Degraded and not Ready, with the reason of the pods', () => {
    const { phase, ready, degraded } = canaryStatus(1);
    assert.deepEqual([phase, ready?.status, ready?.reason], ['Degraded', 'False', 'PodsNotReady']);
    assert.match(ready?.message ?? '', /stable revision api-stable since \S+: 1 of 3 ready; web-2 can't be/);
    assert.deepEqual([degraded?.status, degraded?.reason], ['True', 'PodsNotReady']);
    assert.match(degraded?.message ?? '', /^1 of 3 pods of .*api-stable are ready; web-2 can't be scheduled/);
  });

  it('is Degraded while the delivery is paused', () => {
    const { ready, degraded } = canaryStatus(1, { paused: true });
    assert.deepEqual([ready?.reason, degraded?.reason], ['Paused', 'PodsNotReady']);
  });

  it('is Ready if all pods are ready', () => {
    const { phase, ready, degraded } = canaryStatus(3);
    assert.deepEqual([phase, ready?.status, degraded?.status], ['Canary', 'True', 'False']);
  });
});

describe('status with a restore or purge of a revision that is no longer stable', () => {
  const until = '2026-11-24T10:00:00.000Z';
  const contracted = {
    ...{ revision: 'api-old', number: 1, migrations: ['Drop1'], at: until, done: true },
    hidden: [{ migration: 'Drop1', until }],
  };
  const window: WindowView = { attempt: 1, hidden: [], restore: 'Absent', purge: 'Absent' };
  const viewWith = (states: Partial<WindowView>, over: Partial<MigrationView> = {}): MigrationView => ({
    ...{ state: 'Succeeded', failures: 0, failedMigrations: 0, lastMigration: 0, applied: [] },
    contract: { state: 'Absent', hook: 'Disabled', attempt: 2, window: { ...window, ...states } },
    ...over,
  });
  const reported = (states: Partial<WindowView>, over: Partial<MigrationView>) => {
    const api = pcfApi();
    const position = { stable: 'api-new', contracted };
    const none = observe(api, EMPTY_CLUSTER);
    const view = { migration: 'Succeeded' as const, replicas: 0, ready: 0 };
    const revisions = [
      { ...view, name: 'api-old', number: 1 },
      { ...view, name: 'api-new', number: 2 },
    ];
    const migrations = new Map([
      ['api-old', viewWith(states, over)],
      ['api-new', viewWith({})],
    ]);
    const observed = { ...none, migrations, delivery: { ...none.delivery, position, revisions } } as Observed;
    const plan = {
      position,
      replicas: {},
      decisions: [],
      restoring: 'the restore',
    } as unknown as DeliveryPlan;
    return { observed, plan };
  };

  it('is Degraded with the error and the name of the Job', () => {
    const over = { contractError: 'it is locked', job: 'api-old-purge' };
    const { observed, plan } = reported({ purge: 'Failed' }, over);
    assert.deepEqual(
      findIssues(observed, [], plan).find(({ reason }) => reason === 'ContractFailed')?.message,
      'the purge of the contract migrations of api-old failed: it is locked; fix it, then delete Job api-old-purge, which is created again',
    );
    const { revision, message } = migrationStatus(observed, plan) ?? {};
    assert.deepEqual([revision, message], ['api-old', 'it is locked']);
  });

  it('shows the Job that runs, and its error', () => {
    const over = { contractError: 'exit code 75', job: 'api-old-restore', stage: 'restore' } as const;
    const { observed, plan } = reported({ restore: 'Running' }, over);
    const { state, phase, job } = migrationStatus(observed, plan) ?? {};
    assert.deepEqual([state, phase, job], ['Running', 'restore', 'api-old-restore']);
    const { message } = summarize({ ...observed, missingSecrets: [] }, plan, 0);
    assert.equal(message, 'waiting for the restore: exit code 75; api-new continues to serve');
  });
});

describe('status', () => {
  it('contains the start of a wait, and does not change during the wait', () => {
    const api = pcfApi();
    api.status = statusAt(api, '2026-11-23T12:00:00Z');
    const [ready] = api.status.conditions ?? [];
    assert.equal(api.status.reason, 'SecretMissing');
    assert.match(ready?.message ?? '', /does not exist since 2026-11-23T12:00:00Z; no pod is started/);
    const { conditions, since } = statusAt(api, '2026-11-23T12:05:00Z');
    assert.deepEqual({ conditions, since }, { conditions: api.status.conditions, since: api.status.since });
    api.status.reason = 'Ready';
    const again = statusAt(api, '2026-11-23T12:10:00Z');
    assert.equal(again.since, '2026-11-23T12:10:00Z', 'a new wait has a new start');
  });

  it('reports zero replicas if no pod serves, and as the cause if a new revision waits', () => {
    const api = pcfApi({ replicas: 0 });
    const { target } = observe(api, EMPTY_CLUSTER).delivery;
    const message = (weight?: number) => {
      const observed = { ...observe(api, EMPTY_CLUSTER), missingSecrets: [] };
      const delivery = { ...observed.delivery, startable: true };
      const position = { stable: weight === undefined ? target : 'api-stable', update: weight && target };
      const given = { ...observed, delivery: { ...delivery, position } } as Observed;
      const revisions = delivery.revisions.map((one) => ({ ...one, migration: 'Succeeded' as const }));
      given.delivery.revisions = [...revisions, { ...revisions[0]!, name: 'api-stable' }];
      const settings = { ...deliverySpecOf(api, observed.router), canaryWeight: weight };
      const planned = plan({ ...given.delivery, routeAgeMs: 0 }, settings, Date.now());
      planned.traffic.verified = true;
      return summarize(given, planned, Date.now()).message;
    };
    assert.match(message(), /^replicas is 0: no pod of api-\S+ runs/);
    assert.match(
      message(10),
      /^the effective weight is 0 %, the desired weight 10 % since \S+: replicas is 0\b/,
    );
  });

  it('reports the cause if the pod of a contract migration cannot start', () => {
    const api = pcfApi();
    const { target: stable } = observe(api, EMPTY_CLUSTER).delivery;
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
    const { migration } = statusAt(api, '2026-11-23T12:05:00Z', { ...EMPTY_CLUSTER, ownedBy });
    assert.equal(migration?.phase, 'contract');
    assert.equal(migration?.message, 'm: ImagePullBackOff: not found');
  });

  it('reports the traffic of an aborted revision if the route cannot be written', () => {
    const api = pcfApi();
    const { target } = observe(api, EMPTY_CLUSTER).delivery;
    const failed = {
      revision: target,
      reason: 'CrashLoop',
      message: 'it crashed',
      at: '2026-11-23T12:00:00Z',
    };
    api.status = { delivery: { stable: 'api-old', failed } };
    const observed = { ...observe(api, EMPTY_CLUSTER), missingSecrets: [] };
    const now = Date.parse('2026-11-23T12:05:00Z');
    const planned = plan({ ...observed.delivery, routeAgeMs: 0 }, deliverySpecOf(api, observed.router), now);
    const traffic = { desiredWeight: 0, effectiveWeight: 40, verified: false, reason: 'change freeze' };
    const { message } = summarize(
      observed,
      { ...planned, position: { stable: 'api-old', failed }, traffic },
      now,
    );
    assert.match(
      message,
      /api-old serves; other revisions keep 40 % of the traffic: change freeze; not retried/,
    );
  });
});

describe('approval links', () => {
  const webhook = {
    name: 'team',
    urlSecretRef: { name: 'slack', key: 'url' },
    events: ['ApprovalRequested'],
  };
  const withLinks = (more: object) =>
    pcfApi({
      notifications: { webhooks: [webhook], approvalLinks: { expiresAfter: '4h' }, ...more } as never,
    });

  it('are announced with their lifetime, or without links if the operator serves none, which is an issue', () => {
    const api = withLinks({});
    const { router } = observe(api, EMPTY_CLUSTER);
    const specOf = (given: PcfApi, hasLinks: boolean) =>
      deliverySpecOf(given, router, { hasApprovalLinks: hasLinks }).announceApprovals;
    assert.deepEqual(specOf(api, true), { linksExpireAfterMs: 4 * 3_600_000 });
    assert.deepEqual(specOf(api, false), {});
    assert.deepEqual(specOf(withLinks({ approvalLinks: undefined }), true), {});
    assert.equal(specOf(pcfApi(), true), undefined);
    const settled = { position: {}, replicas: {}, traffic: {}, decisions: [] } as unknown as DeliveryPlan;
    const reasons = (given: PcfApi, hasApprovalLinks: boolean) =>
      findIssues({ ...observe(given, EMPTY_CLUSTER), hasApprovalLinks }, [], settled).map(
        ({ reason }) => reason,
      );
    assert.deepEqual(reasons(api, false), ['ApprovalLinksUnavailable']);
    assert.deepEqual([reasons(api, true), reasons(pcfApi(), false)], [[], []]);
  });
});
