/** Replicas that an autoscaler calculates during a delivery: Kubernetes' formula, applied to the objects that the operator writes. */
import assert from 'node:assert/strict';
import type { PcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import type { DeliveryPlan } from '../../../operator/delivery/delivery-plan.js';
import type { StrategyType } from '../../../operator/delivery/delivery-spec.js';
import { podsForShare, replicaShares } from '../../../operator/delivery/weight.js';
import { desiredObjects } from '../../../operator/reconciler/desired.js';
import { findIssues } from '../../../operator/reconciler/issues.js';
import { observe } from '../../../operator/reconciler/observe.js';
import type { ClusterView, Observed } from '../../../operator/reconciler/observed.js';
import { statusOf } from '../../../operator/reconciler/pcfapi-status.js';
import { EMPTY_CLUSTER } from '../../../operator/reconciler/render.js';
import { metricNames, type ScaleMetric, scaleView } from '../../../operator/resources/scale-view.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { hpaAnswer, type Measurement } from '../../support/cluster/hpa-formula.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

type Kind = 'cpu' | 'memory' | 'AverageValue' | 'Value';
type Owner = 'ours' | 'of the user';

const STRATEGIES: readonly StrategyType[] = ['Canary', 'BlueGreen', 'RollingUpdate'];
const WEIGHTS = [1, 10, 50, 99];
const OWNERS: readonly Owner[] = ['ours', 'of the user'];
const BOUNDS = { min: 3, max: 20 };
/** Load as a fraction of the target. With three pods, the minimum, none of these scales up. */
const LOADS = [0.1, 0.66, 0.95, 1];

const METRICS: Record<Kind, ScaleMetric> = {
  cpu: resource('cpu'),
  memory: resource('memory'),
  AverageValue: external('AverageValue'),
  Value: external('Value'),
};

function resource(name: string): ScaleMetric {
  const target = { type: 'Utilization', averageUtilization: 80 };
  return { type: 'Resource', resource: { name, target } } as ScaleMetric;
}

function external(type: string): ScaleMetric {
  const target = type === 'Value' ? { type, value: '100' } : { type, averageValue: '100' };
  return { type: 'External', external: { metric: { name: `queue${type}` }, target } };
}

const cluster = (autoscalers: KubeObject[] = []): ClusterView => ({
  ...EMPTY_CLUSTER,
  foreignAutoscalers: () => autoscalers,
});

interface Delivery {
  observed: Observed;
  plan: DeliveryPlan;
}

interface Options {
  kinds: readonly Kind[];
  owner: Owner;
  replicas: Record<string, number>;
  weights: Record<string, number>;
  full: number;
  /** Existing pods. Default: the desired ones. */
  existing?: Record<string, number>;
  /** Ready pods. Default: the existing ones. */
  ready?: Record<string, number>;
}

function delivery({
  kinds,
  owner,
  replicas,
  weights,
  full,
  existing = replicas,
  ready = existing,
}: Options): Delivery {
  const metrics = kinds.map((kind) => METRICS[kind]);
  const horizontal = owner === 'ours' ? { ...BOUNDS_SPEC, metrics } : { enabled: false };
  const api = pcfApi({ replicas: full, autoscaling: { horizontal } } as Partial<PcfApiSpec>);
  const theirs = { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name: 'web' } };
  const autoscalers = owner === 'ours' ? [] : [{ ...theirs, spec: { metrics } } as KubeObject];
  const observed = observe(api, cluster(autoscalers));
  const view = { migration: 'Disabled' as const };
  observed.delivery.revisions = Object.entries(existing).map(([name, pods]) => ({
    ...{ ...view, name, replicas: replicas[name] ?? 0, pods, ready: ready[name] ?? 0 },
  }));
  const isPromoted = replicas.old === undefined;
  const plan: DeliveryPlan = {
    position: isPromoted ? { stable: 'new' } : { stable: 'old', update: 'new' },
    ...{ replicas, route: { weights }, decisions: [] },
    traffic: { desiredWeight: weights.new ?? 0, effectiveWeight: weights.new ?? 0, verified: true },
  };
  return { observed, plan };
}
const BOUNDS_SPEC = { minReplicas: BOUNDS.min, maxReplicas: BOUNDS.max };

const SUMMARY = { phase: 'Canary', reason: 'Canary', message: 'a canary', verdict: 'InProgress' } as const;

function statusFor({ observed, plan }: Delivery) {
  return statusOf(observed, plan, { ...SUMMARY } as never, findIssues(observed, [], plan), [], 0);
}

function podsAt(strategy: StrategyType, weight: number, full: number): Record<string, number> {
  if (strategy === 'Canary') return { old: full, new: podsForShare(weight, full) };
  if (strategy === 'BlueGreen') return { old: full, new: full };
  const { stable, update } = replicaShares(full, weight);
  return { old: stable, new: update };
}

/** Replicas that the autoscaler calculates. `load` is a fraction of the target of `full` pods. */
function calculateReplicas(
  made: Delivery,
  { kinds, owner, full, existing, replicas }: Options,
  load: number,
): number {
  const status = statusFor(made);
  const pods = existing ?? replicas;
  const pinned = /pcf\.dev\/revision=(\w+)/.exec(status.selector ?? '')?.[1];
  const all = Object.values(pods).reduce((sum, count) => sum + count, 0);
  const selectedPods = pinned ? pods[pinned]! : all;
  const share = pinned ? (made.plan.route?.weights[pinned] ?? 0) / 100 : 1;
  const measured: Record<Kind, Measurement> = {
    cpu: { type: 'Resource', ratio: (load * full * share) / Math.max(1, selectedPods) },
    memory: { type: 'Resource', ratio: load },
    AverageValue: { type: 'AverageValue', total: load * full * 100, targetPerPod: 100 },
    Value: { type: 'Value', ratio: load },
  };
  const active = owner === 'ours' ? namesOf(metricsWritten(made)) : undefined;
  const inEffect = kinds.filter((kind) => !active || active.includes(metricNames([METRICS[kind]])));
  assert.ok(inEffect.length > 0, 'the autoscaler has a metric');
  const scale = { specReplicas: full, statusReplicas: status.replicas ?? 0, selectedPods };
  return hpaAnswer(
    scale,
    inEffect.map((kind) => measured[kind]),
    BOUNDS,
  );
}

/** Metrics of the HorizontalPodAutoscaler that the operator writes. */
function metricsWritten({ observed, plan }: Delivery): ScaleMetric[] {
  const hpa = desiredObjects(observed, plan).find(({ kind }) => kind === 'HorizontalPodAutoscaler');
  return (hpa as unknown as { spec: { metrics: ScaleMetric[] } }).spec.metrics;
}

function namesOf(metrics: readonly ScaleMetric[]): string[] {
  return metrics.map((metric) => metricNames([metric]));
}

describe('autoscaler during a delivery', () => {
  const kinds: readonly (readonly Kind[])[] = [['cpu'], ['memory'], ['AverageValue'], ['Value']];
  const mixed: readonly (readonly Kind[])[] = [
    ['cpu', 'memory'],
    ['AverageValue', 'memory'],
  ];
  for (const owner of OWNERS) {
    for (const metrics of [...kinds, ...mixed]) {
      for (const strategy of STRATEGIES) {
        it(`${owner}, ${metrics.join(' and ')}, ${strategy}: replicas do not change at constant load, and increase with the load`, () => {
          for (const weight of WEIGHTS) {
            const full = BOUNDS.min;
            const replicas = podsAt(strategy, weight, full);
            const weights = { old: 100 - weight, new: weight };
            const options = { kinds: metrics, owner, replicas, weights, full };
            const made = delivery(options);
            for (const load of LOADS)
              assert.equal(calculateReplicas(made, options, load), full, `weight ${weight}, load ${load}`);
            assert.ok(calculateReplicas(made, options, 4) > full, `weight ${weight}: more load scales up`);
          }
        });
      }
    }
  }

  for (const strategy of ['Canary', 'BlueGreen'] as const) {
    it(`${strategy}, memory only: the replicas equal those without a delivery, for any size and load`, () => {
      for (const full of [3, 5, 10]) {
        for (const weight of WEIGHTS) {
          const replicas = podsAt(strategy, weight, full);
          const weights = { old: 100 - weight, new: weight };
          for (const load of [0.3, 0.5, 0.66, 0.85, 1, 1.2, 1.5]) {
            for (const owner of OWNERS) {
              const options = { kinds: ['memory'] as const, owner, replicas, weights, full };
              const alone = { ...options, replicas: { old: full }, weights: { old: 100 } };
              const expected = calculateReplicas(delivery(alone), alone, load);
              assert.equal(
                calculateReplicas(delivery(options), options, load),
                expected,
                `${full} pods, ${load}`,
              );
            }
          }
        }
      }
    });
  }

  /** Before and after the switch of BlueGreen; a canary at weight 0; pods of the old revision that terminate. */
  const served: Pick<Options, 'replicas' | 'weights' | 'existing'>[] = [
    { replicas: { old: 5, new: 5 }, weights: { old: 100 } },
    { replicas: { old: 5, new: 5 }, weights: { new: 100 } },
    { replicas: { old: 5, new: 1 }, weights: { old: 100 } },
    { replicas: { new: 5 }, weights: { new: 100 }, existing: { old: 1, new: 5 } },
  ];
  for (const owner of OWNERS) {
    for (const metrics of [...kinds, ...mixed]) {
      it(`${owner}, ${metrics.join(' and ')}: the replicas equal those without a delivery while one revision has all traffic`, () => {
        for (const state of served) {
          for (const load of [0.2, 0.66, 0.95, 1, 1.05, 1.5, 1.9, 2, 2.1, 4]) {
            const options = { kinds: metrics, owner, full: 5, ...state };
            const alone = { ...options, replicas: { old: 5 }, weights: { old: 100 }, existing: { old: 5 } };
            const expected = calculateReplicas(delivery(alone), alone, load);
            assert.equal(
              calculateReplicas(delivery(options), options, load),
              expected,
              JSON.stringify([state, load]),
            );
          }
        }
      });
    }
  }

  it('no metric is omitted, and no condition reports an omission, while one revision has all traffic', () => {
    for (const owner of OWNERS) {
      for (const state of served) {
        const made = delivery({ kinds: ['cpu', 'memory'], owner, full: 5, ...state });
        const { conditions = [], selector } = statusFor(made);
        assert.match(selector ?? '', new RegExp(`pcf\\.dev/revision=${Object.keys(state.weights)[0]}$`));
        assert.ok(!conditions.some(({ type }) => type === 'AutoscalingLimited'));
        assert.ok(!conditions.some(({ message }) => message.includes('remove memory')));
        if (owner === 'ours') assert.deepEqual(namesOf(metricsWritten(made)), ['cpu', 'memory']);
      }
    }
  });

  it('cpu and memory: after a split of the traffic, memory returns once the selector matches one revision', () => {
    const options = {
      ...{ kinds: ['cpu', 'memory'] as const, owner: 'ours' as const, full: 3 },
      replicas: { old: 3, new: 3 },
    };
    const { observed } = delivery({ ...options, weights: { old: 50, new: 50 } });
    const { plan } = delivery({ ...options, weights: { new: 100 } });
    observed.api.status = statusFor(delivery({ ...options, weights: { old: 50, new: 50 } }));
    assert.doesNotMatch(observed.api.status.selector ?? '', /revision=/);
    assert.deepEqual(namesOf(metricsWritten({ observed, plan })), ['cpu']);
    observed.api.status = statusFor({ observed, plan });
    assert.match(observed.api.status.selector ?? '', /revision=new$/);
    assert.deepEqual(namesOf(metricsWritten({ observed, plan })), ['cpu', 'memory']);
  });

  it('a vertical autoscaler, or no metric: pods of both revisions are selected, so that new pods are sized', () => {
    const state = { full: 5, replicas: { old: 5, new: 5 }, weights: { old: 100 }, existing: ['old', 'new'] };
    const selected = (metrics: ScaleMetric[], isVertical: boolean) =>
      scaleView({ ...state, ready: state.replicas, stable: 'old' }, metrics, {
        isOurs: true,
        isVertical,
        isLimited: false,
      }).revision;
    assert.equal(selected([METRICS.cpu], true), undefined);
    assert.equal(selected([], false), undefined);
    assert.equal(selected([METRICS.cpu], false), 'old');
  });

  it('of the user, cpu and memory: the revision with more load is measured, which is at least half of the load', () => {
    for (const full of [3, 5, 10]) {
      for (const weight of [1, 10, 33, 50, 66, 90, 99]) {
        const replicas = podsAt('Canary', weight, full);
        const weights = { old: 100 - weight, new: weight };
        const options = {
          kinds: ['cpu', 'memory'] as const,
          owner: 'of the user' as const,
          ...{ full, replicas, weights },
        };
        const load = 3;
        const least = Math.ceil((full * load) / 2);
        const calculated = calculateReplicas(delivery(options), options, load);
        assert.ok(calculated >= Math.min(BOUNDS.max, least), `${full} pods, weight ${weight}: ${calculated}`);
        assert.ok(
          calculateReplicas(delivery(options), options, 0.66) <= full,
          `${full} pods, weight ${weight}`,
        );
      }
    }
  });

  it('memory only: the revision with the traffic is measured while the old one still has pods', () => {
    const retiring = { old: 3, new: 3 };
    const made = delivery({
      ...{ kinds: ['memory'], owner: 'of the user', full: 3, replicas: retiring, weights: { new: 100 } },
    });
    assert.match(statusFor(made).selector ?? '', /pcf\.dev\/revision=new$/);
  });

  it('memory only: a revision with all pods ready is preferred to one whose last pod is starting', () => {
    for (const owner of OWNERS) {
      const made = delivery({
        ...{ kinds: ['memory'], owner, full: 3, replicas: { old: 3, new: 3 }, ready: { old: 3, new: 2 } },
        weights: { old: 34, new: 66 },
      });
      assert.match(statusFor(made).selector ?? '', /pcf\.dev\/revision=old$/);
    }
  });

  it('status: reports the replicas of one revision, and the omitted metric in a condition', () => {
    const options = {
      ...{ kinds: ['cpu', 'memory'] as const, owner: 'ours' as const, full: 3 },
      ...{ replicas: { old: 3, new: 2 }, weights: { old: 50, new: 50 } },
    };
    const during = statusFor(delivery(options));
    assert.equal(during.replicas, 3);
    const limited = during.conditions?.find(({ type }) => type === 'AutoscalingLimited');
    assert.equal(
      limited?.message,
      'pods of two revisions exist, and memory per pod does not fall when pods are added, so the autoscaler does not scale on memory, only on cpu until one revision has the whole traffic',
    );
    const after = statusFor(delivery({ ...options, replicas: { new: 3 }, weights: { new: 100 } }));
    assert.equal(after.replicas, 3);
    assert.ok(!after.conditions?.some(({ type }) => type === 'AutoscalingLimited'));
  });

  it('AutoscalerMetricsConflict: an autoscaler of the user with cpu and memory is reported during a delivery only', () => {
    const options = {
      ...{ kinds: ['cpu', 'memory'] as const, owner: 'of the user' as const, full: 3 },
      ...{ replicas: { old: 3, new: 2 }, weights: { old: 50, new: 50 } },
    };
    const reported = ({ observed, plan }: Delivery) =>
      findIssues(observed, [], plan).find(({ reason }) => reason === 'AutoscalerMetricsConflict')?.message;
    assert.match(reported(delivery(options)) ?? '', /remove memory from it, or use autoscaling\.horizontal/);
    assert.equal(reported(delivery({ ...options, replicas: { old: 3 } })), undefined);
    assert.equal(reported(delivery({ ...options, kinds: ['memory'] })), undefined);
    assert.equal(reported(delivery({ ...options, owner: 'ours' })), undefined);
  });
});
