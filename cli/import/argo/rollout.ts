/** Converts an Argo Rollout with its AnalysisTemplates, routes, Services and autoscaler. */
import { convertReplicas, findAutoscaler } from '../common/autoscaler.js';
import { convertPodTemplate } from '../common/pod-template.js';
import { requireDatabase } from '../common/required.js';
import { convertSurroundings } from '../common/surroundings.js';
import { Conversion, type Imported, type ImportOptions } from '../conversion.js';
import type { Field, InputObject } from '../source.js';
import { convertBlueGreen } from './blue-green.js';
import { convertCanary } from './canary.js';

export const ROLLOUT_VERSION = 'argoproj.io/v1alpha1';

/**
 * PcfApi for the only Rollout of the input. Throws a CliError for an input without one, or whose fields have
 * a wrong type.
 */
export function importRollout(objects: readonly InputObject[], options: ImportOptions = {}): Imported {
  const conversion = new Conversion(objects, options);
  const rollout = conversion.main('Rollout', ROLLOUT_VERSION);
  const spec = rollout.at('spec');
  const workload = workloadOf(conversion, spec);
  const template = (workload ?? rollout).at('spec', 'template');
  const { name } = rollout.source.object.metadata;
  convertPodTemplate(conversion, template, workload?.source.object.metadata.name ?? name);
  convertSize(conversion, rollout, workload);
  convertLifecycle(conversion, spec);
  const services = convertStrategy(conversion, rollout);
  convertSurroundings(conversion, template.at('metadata', 'labels'), services, conversion.nameFor(rollout));
  requireDatabase(conversion, rollout);
  return conversion.finish(rollout);
}

/** The workload of `workloadRef`, whose pod template the Rollout uses. */
function workloadOf(conversion: Conversion, spec: Field): Field | undefined {
  const reference = spec.at('workloadRef');
  if (!reference.isGiven) return undefined;
  const workload = conversion.workload(reference, ['Deployment', 'ReplicaSet']);
  reference
    .at('scaleDown')
    .note(
      'NotNeeded',
      'the PcfApi has pods of its own',
      `delete ${workload.source.name} after the migration`,
    );
  const target = workload.at('spec');
  target.at('selector').note('NotNeeded', 'the operator selects the pods');
  for (const key of [
    'replicas',
    'strategy',
    'minReadySeconds',
    'revisionHistoryLimit',
    'progressDeadlineSeconds',
  ])
    target.at(key).note('NotNeeded', 'the Rollout has the settings of a delivery');
  workload.at('metadata').note('NotNeeded', 'the Rollout has the metadata');
  return workload;
}

function convertSize(conversion: Conversion, rollout: Field, workload: Field | undefined): void {
  const scaled = [rollout, ...(workload ? [workload] : [])].map(({ source: { object } }) => ({
    kind: object.kind,
    name: object.metadata.name,
  }));
  convertReplicas(conversion, rollout.at('spec', 'replicas'), findAutoscaler(conversion, scaled));
}

function convertLifecycle(conversion: Conversion, from: Field): void {
  const { spec } = conversion;
  const set = (to: string, field: Field, value: unknown) => spec.set([to], value, field);
  from.at('selector').note('NotNeeded', 'the operator selects the pods');
  set('paused', from.at('paused'), from.at('paused').flag() || undefined);
  set('revisionHistoryLimit', from.at('revisionHistoryLimit'), from.at('revisionHistoryLimit').number());
  set('progressDeadline', from.at('progressDeadlineSeconds'), from.at('progressDeadlineSeconds').duration());
  const abort = from.at('progressDeadlineAbort');
  if (abort.value === true) abort.note('NotNeeded', 'an exceeded deadline always aborts the delivery');
  else
    abort.note(
      'Changed',
      'an exceeded deadline always aborts the delivery',
      'set a longer spec.progressDeadline',
    );
  from
    .at('minReadySeconds')
    .note(
      'NotConverted',
      'a ready pod is available at once',
      'set the hold of the steps, or initialDelay of the analysis',
    );
  from
    .at('restartAt')
    .note('NotConverted', 'restarts are not scheduled', 'change an annotation of spec.podMetadata');
  from
    .at('rollbackWindow')
    .note(
      'NotConverted',
      'a rollback is one change of the weight while the old pods run',
      'set scaleDownDelay of the strategy',
    );
  from.at('analysis').note('NotNeeded', 'the status has the last deliveries, without objects per analysis');
}

/** Converts the strategy and returns the names of its Services, the main one first. */
function convertStrategy(conversion: Conversion, rollout: Field): string[] {
  const strategy = rollout.at('spec', 'strategy');
  const [canary, blueGreen] = [strategy.at('canary'), strategy.at('blueGreen')];
  if (canary.isGiven && blueGreen.isGiven) throw strategy.invalid('has both canary and blueGreen');
  if (blueGreen.isGiven) return convertBlueGreen(conversion, blueGreen);
  return convertCanary(conversion, canary);
}
