/** Converts a HorizontalPodAutoscaler to `spec.autoscaling.horizontal`, and the number of replicas. */
import type { Conversion } from '../conversion.js';
import type { Field } from '../source.js';

const UTILIZATION = ['cpu', 'memory'];
const POLICY_FIELDS = ['stabilizationWindowSeconds', 'selectPolicy', 'tolerance', 'policies'];

/**
 * Converts the autoscaler of a workload, and `replicas`, which apply without an autoscaler only: with
 * both, each would overwrite the other.
 */
export function convertReplicas(
  conversion: Conversion,
  replicas: Field,
  autoscaler: Field | undefined,
): void {
  if (autoscaler) {
    convertAutoscaler(conversion, autoscaler);
    replicas.noteUnlessCovered('NotNeeded', 'the autoscaler sets the number of pods');
    return;
  }
  // Another rule has reported that it is not the number of pods that serve.
  if (replicas.source.isCovered(replicas.path)) return;
  if (replicas.isGiven) conversion.spec.set(['replicas'], replicas.number(), replicas);
  else
    replicas.report(
      'Changed',
      'without replicas, PcfApi has the defaults of its environment: in production an autoscaler for 3 to 10 pods',
      'set spec.replicas or spec.autoscaling.horizontal',
    );
}

/** The HorizontalPodAutoscaler of the input that scales one of these objects. */
export function findAutoscaler(
  conversion: Conversion,
  targets: readonly { kind: string; name: string }[],
): Field | undefined {
  return conversion.all('HorizontalPodAutoscaler').find((autoscaler) => {
    const target = autoscaler.at('spec', 'scaleTargetRef');
    return targets.some(
      ({ kind, name }) => target.at('kind').value === kind && target.at('name').value === name,
    );
  });
}

function convertAutoscaler(conversion: Conversion, autoscaler: Field): void {
  const { spec } = conversion;
  const from = autoscaler.at('spec');
  const horizontal = ['autoscaling', 'horizontal'];
  from.at('scaleTargetRef').note('NotNeeded', 'the autoscaler of the operator targets the PcfApi');
  const least = from.at('minReplicas');
  if (least.value === 0)
    least.note('NotConverted', 'the minimum is 1: no pod would serve requests', 'set minReplicas');
  else spec.set([...horizontal, 'minReplicas'], least.number(), least);
  const most = from.at('maxReplicas');
  spec.set([...horizontal, 'maxReplicas'], most.number(), most);
  const cpu = from.at('targetCPUUtilizationPercentage'); // autoscaling/v1
  spec.set([...horizontal, 'cpu'], cpu.number(), cpu);
  for (const metric of from.at('metrics').items()) convertMetric(conversion, metric);
  for (const direction of ['scaleUp', 'scaleDown']) {
    const rules = from.at('behavior', direction);
    for (const key of POLICY_FIELDS) {
      const field = rules.at(key);
      spec.set([...horizontal, 'behavior', direction, key], field.whole(), field);
    }
  }
}

function convertMetric(conversion: Conversion, metric: Field): void {
  const path = ['autoscaling', 'horizontal'];
  const resource = metric.at('resource', 'name').value as string;
  const target = metric.at('resource', 'target');
  const utilization = target.at('averageUtilization');
  const isPlain =
    metric.at('type').value === 'Resource' &&
    UTILIZATION.includes(resource) &&
    target.at('type').value === 'Utilization';
  if (isPlain && utilization.isGiven && !conversion.spec.has([...path, resource])) {
    conversion.spec.set([...path, resource], utilization.number(), utilization);
    for (const field of [metric.at('type'), metric.at('resource', 'name'), target.at('type')]) field.cover();
    return;
  }
  if (metric.at('type').value === 'ContainerResource')
    metric.note(
      'NotConverted',
      'the container has another name',
      'use spec.autoscaling.horizontal.cpu or memory',
    );
  else conversion.spec.append([...path, 'metrics'], metric.whole(), metric);
}
