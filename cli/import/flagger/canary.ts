/** Converts a Flagger Canary with its Deployment, autoscaler and MetricTemplates. */
import { convertReplicas, findAutoscaler } from '../common/autoscaler.js';
import { convertPodTemplate } from '../common/pod-template.js';
import { requireDatabase } from '../common/required.js';
import { convertSurroundings } from '../common/surroundings.js';
import { Conversion, type Imported, type ImportOptions } from '../conversion.js';
import type { Field, InputObject } from '../source.js';
import { convertAnalysis } from './analysis.js';
import { convertService } from './service.js';

export const CANARY_VERSION = 'flagger.app/v1beta1';

/**
 * PcfApi for the only Canary of the input. Throws a CliError for an input without one or without its
 * Deployment, or whose fields have a wrong type.
 */
export function importCanary(objects: readonly InputObject[], options: ImportOptions = {}): Imported {
  const conversion = new Conversion(objects, options);
  const canary = conversion.main('Canary', CANARY_VERSION);
  const spec = canary.at('spec');
  const deployment = conversion.workload(spec.at('targetRef'), ['Deployment']);
  const { name } = deployment.source.object.metadata;
  convertPodTemplate(conversion, deployment.at('spec', 'template'), name);
  convertDeployment(conversion, deployment);
  convertReplicas(conversion, replicasOf(conversion, deployment), autoscalerOf(conversion, spec, name));
  convertLifecycle(conversion, spec);
  const provider = convertService(conversion, canary);
  convertAnalysis(conversion, canary, provider);
  const labels = deployment.at('spec', 'template', 'metadata', 'labels');
  convertSurroundings(conversion, labels, serviceNames(spec, name), conversion.nameFor(canary));
  requireDatabase(conversion, canary);
  return conversion.finish(canary);
}

/**
 * The field with the number of pods. Between deliveries Flagger scales the target to 0, and runs the pods in
 * the Deployment `<target>-primary`, which a manifest from a cluster can contain.
 */
function replicasOf(conversion: Conversion, deployment: Field): Field {
  const replicas = deployment.at('spec', 'replicas');
  const { name, namespace } = deployment.source.object.metadata;
  const primary = conversion.find('Deployment', `${name}-primary`, namespace);
  if (!primary && replicas.value !== 0) return replicas;
  replicas.note(
    'Changed',
    `Flagger scales ${name} to 0: ${name}-primary has the pods`,
    primary ? '' : `add Deployment ${name}-primary with another -f, or set spec.replicas`,
  );
  for (const key of ['selector', 'template', 'strategy'])
    primary?.at('spec', key).note('NotNeeded', `it is a copy of Deployment ${name}`);
  return primary?.at('spec', 'replicas') ?? replicas;
}

function convertDeployment(conversion: Conversion, deployment: Field): void {
  const spec = deployment.at('spec');
  const limit = spec.at('revisionHistoryLimit');
  conversion.spec.set(['revisionHistoryLimit'], limit.number(), limit);
  conversion.spec.set(['paused'], spec.at('paused').flag() === true ? true : undefined, spec.at('paused'));
  spec.at('selector').note('NotNeeded', 'the operator selects the pods');
  for (const key of ['strategy', 'progressDeadlineSeconds'])
    spec.at(key).note('NotNeeded', 'the Canary has the settings of a delivery');
  spec
    .at('minReadySeconds')
    .note(
      'NotConverted',
      'a ready pod is available at once',
      'set the hold of the steps, or initialDelay of the analysis',
    );
  deployment.at('metadata').note('NotNeeded', 'the Canary has the metadata');
}

function autoscalerOf(conversion: Conversion, spec: Field, deployment: string): Field | undefined {
  const reference = spec.at('autoscalerRef');
  const named =
    reference.at('kind').value === 'HorizontalPodAutoscaler'
      ? conversion.find('HorizontalPodAutoscaler', reference.at('name').text())
      : undefined;
  const autoscaler = named ?? findAutoscaler(conversion, [{ kind: 'Deployment', name: deployment }]);
  if (named) {
    reference.at('apiVersion').note('NotNeeded', 'the autoscaler of the operator is of autoscaling/v2');
    reference.at('kind').cover();
    for (const key of ['primaryScalerReplicas', 'primaryScalerQueries'])
      reference
        .at(key)
        .note('NotConverted', 'one autoscaler scales both revisions', 'set spec.autoscaling.horizontal');
  } else {
    reference.note(
      'NotConverted',
      'the input contains no HorizontalPodAutoscaler of this name',
      'add it with another -f, or set spec.autoscaling.horizontal',
    );
  }
  return autoscaler;
}

function convertLifecycle(conversion: Conversion, from: Field): void {
  const deadline = from.at('progressDeadlineSeconds');
  conversion.spec.set(['progressDeadline'], deadline.duration(), deadline);
  const suspend = from.at('suspend');
  if (suspend.flag()) conversion.spec.set(['paused'], true, suspend);
  from
    .at('revertOnDeletion')
    .note('NotConverted', 'a deleted PcfApi deletes its pods', 'delete the Canary after the migration');
  for (const key of ['ingressRef', 'routeRef', 'upstreamRef'])
    from
      .at(key)
      .note(
        'NotConverted',
        'the operator splits traffic with Istio, or with the Gateway API',
        'set spec.traffic',
      );
}

/** Services that Flagger creates: the one for clients, and those of both versions. */
function serviceNames(spec: Field, deployment: string): string[] {
  const given = spec.at('service', 'name').value;
  const name = typeof given === 'string' ? given : deployment;
  return [name, `${name}-primary`, `${name}-canary`];
}
