import assert from 'node:assert/strict';
import { horizontalScaling, sizedResources } from '../../../operator/api/v1alpha1/defaults.js';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import type { DeliveryPosition } from '../../../operator/api/v1alpha1/status/delivery-position.js';
import { autoscalingLines } from '../../../operator/dashboard/view/autoscaling-lines.js';
import type { DeliveryPlan } from '../../../operator/delivery/delivery-plan.js';
import { autoscalingStatus } from '../../../operator/reconciler/autoscaling.js';
import { desiredObjects } from '../../../operator/reconciler/desired.js';
import { findIssues } from '../../../operator/reconciler/issues.js';
import { observe } from '../../../operator/reconciler/observe.js';
import type { ClusterView } from '../../../operator/reconciler/observed.js';
import { EMPTY_CLUSTER } from '../../../operator/reconciler/render.js';
import { deployment } from '../../../operator/resources/deployment.js';
import { controllerRevision, isRevisionOf, newRevision } from '../../../operator/resources/revision.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const scaled = (horizontal: object) => pcfApi({ autoscaling: { horizontal: horizontal as never } });
const rollout = (horizontal: object) => scaled({ onChange: 'Rollout', ...horizontal });

const before = rollout({ minReplicas: 2, maxReplicas: 10, cpu: 50 });
const after = rollout({ minReplicas: 4, maxReplicas: 20, cpu: 90 });
const stable = newRevision(before, 1);
const update = newRevision(after, 2);

function viewOf(...objects: KubeObject[]): ClusterView {
  const find = (kind: string) => objects.filter((object) => object.kind === kind);
  return {
    ...EMPTY_CLUSTER,
    get: (type, _api, name) => find(type.kind).find(({ metadata }) => metadata.name === name),
    ownedBy: (type) => find(type.kind),
  };
}

const recorded = viewOf(controllerRevision(before, stable), controllerRevision(after, update));

function planOf(delivery: DeliveryPosition): DeliveryPlan {
  return {
    position: delivery,
    replicas: { [delivery.stable ?? delivery.update!]: 3 },
    traffic: { desiredWeight: 0, effectiveWeight: 0, verified: true },
    decisions: [],
  };
}

/** What the operator applies for a spec at this position of the delivery. */
function autoscalerOf(api: PcfApi, delivery: DeliveryPosition, view = recorded) {
  const observed = observe({ ...api, status: { delivery } }, view);
  const plan = planOf(delivery);
  const hpa = desiredObjects(observed, plan).find(({ kind }) => kind === 'HorizontalPodAutoscaler');
  const { minReplicas, maxReplicas, metrics } = (hpa?.spec ?? {}) as {
    minReplicas?: number;
    maxReplicas?: number;
    metrics?: { resource: { target: { averageUtilization: number } } }[];
  };
  const cpu = metrics?.[0]?.resource.target.averageUtilization;
  return { figures: [minReplicas, maxReplicas, cpu], status: autoscalingStatus(observed, plan) };
}

describe('autoscaling.horizontal.onChange', () => {
  it('Rollout: a change of the settings is another revision; otherwise it is the same one', () => {
    assert.notEqual(stable.name, update.name);
    assert.deepEqual(stable.inputs?.autoscaling, before.spec.autoscaling);
    const immediate = [{}, { minReplicas: 2, maxReplicas: 10 }, { onChange: 'Immediate', cpu: 10 }].map(
      (horizontal) => newRevision(scaled(horizontal), 1),
    );
    assert.deepEqual(new Set(immediate.map(({ name }) => name)), new Set([newRevision(pcfApi(), 1).name]));
    assert.ok(immediate.every(({ inputs }) => inputs?.autoscaling === undefined));
    assert.ok(isRevisionOf(before, stable) && !isRevisionOf(after, stable));
  });

  it('Rollout: the autoscaler has the settings of the stable revision until the promotion, and after an abort', () => {
    const [is, was] = [update.name, stable.name];
    assert.deepEqual(autoscalerOf(after, { stable: was, update: is }).figures, [2, 10, 50]);
    const failed = { revision: is, reason: 'AbortRequested', message: '', at: '2026-11-23T10:00:00Z' };
    assert.deepEqual(autoscalerOf(after, { stable: was, failed }).figures, [2, 10, 50]);
    assert.deepEqual(autoscalerOf(after, { stable: is, previous: was }).figures, [4, 20, 90]);
    assert.deepEqual(autoscalerOf(before, { stable: is, update: was, undo: true }).figures, [4, 20, 90]);
    assert.deepEqual(autoscalerOf(before, { stable: was }).figures, [2, 10, 50]);
  });

  it('Rollout: the first revision, and a stable one without recorded settings, have those of the spec', () => {
    assert.deepEqual(autoscalerOf(after, { update: update.name }).figures, [4, 20, 90]);
    assert.deepEqual(
      autoscalerOf(after, { stable: 'api-bcdfghjklm', update: update.name }).figures,
      [4, 20, 90],
    );
  });

  it('Rollout: to remove the block takes effect with the promotion, like any other change', () => {
    const removed = { ...pcfApi(), spec: { ...pcfApi().spec, environment: 'production' as const } };
    const target = newRevision(removed, 3).name;
    const { figures, status } = autoscalerOf(removed, { stable: stable.name, update: target });
    assert.deepEqual(figures, [2, 10, 50]);
    assert.equal(status?.revision, stable.name);
    assert.ok(status?.next?.changes.includes('cpu 50 -> default'));
    assert.equal(autoscalerOf(removed, { stable: target, previous: stable.name }).status, undefined);
  });

  it('Rollout: a vertical autoscaler that takes effect at once does not delete the one of the stable revision', () => {
    const horizontal = { onChange: 'Rollout', minReplicas: 3, maxReplicas: 20 };
    const one = newRevision(rollout(horizontal), 4);
    const external = {
      type: 'External',
      external: { metric: { name: 'queue' }, target: { type: 'AverageValue', averageValue: '10' } },
    };
    const withVertical = (of: object) =>
      pcfApi({
        autoscaling: {
          horizontal: of as never,
          vertical: { controlledResources: ['cpu', 'memory'] } as never,
        },
      });
    const api = withVertical({ ...horizontal, metrics: [external] });
    const view = viewOf(controllerRevision(rollout(horizontal), one));
    const scaledFor = (spec: PcfApi) =>
      observe({ ...spec, status: { delivery: { stable: one.name } } }, view);
    const { scaledApi } = scaledFor(api);
    const { cpu, memory, maxReplicas } = horizontalScaling(scaledApi)!;
    assert.deepEqual([cpu, memory, maxReplicas], [70, 80, 20]);
    assert.deepEqual(sizedResources(scaledApi), []);
    // The settings that the vertical autoscaler leaves nothing of, without a delivery.
    assert.equal(horizontalScaling(scaledFor(withVertical(horizontal)).scaledApi), undefined);
  });

  it('Rollout: the connection budget counts the pods of the maximum in effect until the promotion', () => {
    const withMost = (maxReplicas: number) => {
      const api = rollout({ maxReplicas });
      return { ...api, spec: { ...api.spec, database: { ...api.spec.database, maxConnections: 100 } } };
    };
    const [large, small] = [withMost(40), withMost(10)];
    const [was, is] = [newRevision(large, 1), newRevision(small, 2)];
    const records = [controllerRevision(large, was), controllerRevision(small, is)];
    const running = deployment(small, is, 3);
    const budgetAt = (delivery: DeliveryPosition) => {
      const observed = observe({ ...small, status: { delivery } }, viewOf(...records, running));
      const issues = findIssues(observed, [], planOf(delivery));
      return issues.find(({ reason }) => reason === 'ConnectionBudgetExceeded')?.message;
    };
    // floor(98 / 20) = 4 connections for each of 2 * 40 pods, and two for migrations.
    assert.match(
      budgetAt({ stable: was.name, update: is.name }) ?? '',
      /^80 pods with 4 connections each, and the migrations, may open 322/,
    );
    assert.equal(budgetAt({ stable: is.name, previous: was.name }), undefined);
  });

  it('Immediate: the autoscaler has the settings of the spec, although the stable revision recorded others', () => {
    const { figures, status } = autoscalerOf(scaled({ minReplicas: 5, maxReplicas: 6, cpu: 33 }), {
      stable: stable.name,
    });
    assert.deepEqual(figures, [5, 6, 33]);
    assert.equal(status, undefined);
  });

  it('Rollout: a delivery that disables the autoscaler keeps spec.replicas until the promotion', () => {
    const disabled = rollout({ enabled: false });
    const managedFields = [
      { manager: 'pcf-operator', operation: 'Update' as const, fieldsV1: { 'f:spec': { 'f:replicas': {} } } },
    ];
    const api = {
      ...disabled,
      metadata: { ...disabled.metadata, managedFields },
      spec: { ...disabled.spec, replicas: 3 },
      status: { delivery: { stable: stable.name } },
    } as unknown as PcfApi;
    assert.equal(observe(api, recorded).obsoleteReplicas, false);
    const withoutRecord = observe(api, viewOf());
    assert.equal(withoutRecord.obsoleteReplicas, true);
    assert.equal(withoutRecord.api.spec.replicas, undefined);
  });

  it('Rollout: the status names the changes that take effect with the promotion', () => {
    const { status } = autoscalerOf(after, { stable: stable.name, update: update.name });
    const changes = ['cpu 50 -> 90', 'maxReplicas 10 -> 20', 'minReplicas 2 -> 4'];
    assert.deepEqual(status, { revision: stable.name, next: { revision: update.name, changes } });
    assert.deepEqual(autoscalingLines(status), [
      `the autoscaler has the settings of ${stable.name}`,
      `after the promotion of ${update.name}: cpu 50 -> 90, maxReplicas 10 -> 20, minReplicas 2 -> 4`,
    ]);
    const settled = autoscalerOf(before, { stable: stable.name }).status;
    assert.deepEqual(settled, { revision: stable.name });
    const failed = {
      revision: update.name,
      reason: 'AbortRequested',
      message: '',
      at: '2026-11-23T10:00:00Z',
    };
    assert.deepEqual(autoscalerOf(after, { stable: stable.name, failed }).status, { revision: stable.name });
    assert.equal(autoscalerOf(after, { stable: 'api-bcdfghjklm', update: update.name }).status, undefined);
    const foreign = { metadata: { name: 'keda' } } as KubeObject;
    const other = { ...recorded, foreignAutoscalers: () => [foreign] };
    assert.equal(autoscalerOf(after, { stable: stable.name, update: update.name }, other).status, undefined);
    assert.equal(autoscalingLines(settled), undefined);
  });
});
