/** Converts the canary strategy of a Rollout. */
import { AnalysisBuilder } from '../common/analysis-builder.js';
import { Steps } from '../common/steps.js';
import type { Conversion } from '../conversion.js';
import type { Field } from '../source.js';
import { convertAnalysis } from './analysis.js';
import { convertSteps } from './steps.js';
import { convertTraffic } from './traffic.js';

const CANARY = ['strategy', 'canary'];
/** Default of maxSurge and maxUnavailable of a Rollout. */
const DEFAULT_SHARE = '25%';

/** Returns the names of the Services, the main one first. */
export function convertCanary(conversion: Conversion, canary: Field): string[] {
  const isRouted = convertTraffic(conversion, canary.at('trafficRouting'));
  const analysis = new AnalysisBuilder(conversion, [...CANARY, 'analysis']);
  convertBackground(analysis, canary.at('analysis'));
  const steps = new Steps();
  convertSteps(analysis, canary, steps, isRouted);
  analysis.finish();
  const isRolling = steps.isEmpty && !isRouted && analysis.isEmpty;
  if (isRolling) convertRolling(conversion, canary);
  else {
    conversion.spec.set(['strategy', 'type'], 'Canary');
    steps.write(conversion, canary.at('steps'));
    convertSurge(conversion, canary, isRouted);
    convertDelays(conversion, canary, isRouted);
  }
  reportRest(canary);
  const services = [canary.at('stableService'), canary.at('canaryService')];
  const pingPong = ['pingService', 'pongService'].map((key) => canary.at('pingPong', key));
  for (const service of [...services, ...pingPong])
    service.note(
      'Changed',
      'the operator creates the Services',
      'let clients use the Service with the name of the PcfApi',
    );
  return [...services, ...pingPong].flatMap(({ value }) => (typeof value === 'string' ? [value] : []));
}

/** A canary without steps and routing replaces pods as a Deployment does. */
function convertRolling(conversion: Conversion, canary: Field): void {
  conversion.spec.set(['strategy', 'type'], 'RollingUpdate');
  if (canary.at('steps').items().length > 0)
    canary
      .at('steps')
      .remark('Changed', 'no step was converted: the strategy is RollingUpdate', 'set canary.steps');
  for (const key of ['maxSurge', 'maxUnavailable']) {
    const field = canary.at(key);
    conversion.spec.set(['strategy', 'rollingUpdate', key], field.scalar() ?? DEFAULT_SHARE, field);
  }
}

function convertBackground(builder: AnalysisBuilder, analysis: Field): void {
  if (convertAnalysis(builder, analysis).length > 0)
    analysis.remark(
      'Changed',
      'each step waits for `count` measurements at its weight',
      'check count and interval',
    );
  analysis
    .at('startingStep')
    .note(
      'Changed',
      'metrics are measured from the first ready pod',
      'name the metrics in steps, or set initialDelay',
    );
}

function convertSurge(conversion: Conversion, canary: Field, isRouted: boolean): void {
  const [surge, dynamic] = [canary.at('maxSurge'), canary.at('dynamicStableScale')];
  const isScaled = dynamic.value === true;
  canary
    .at('maxUnavailable')
    .note(
      'NotConverted',
      'a canary keeps the capacity for its traffic: no pod is removed before',
      'use RollingUpdate',
    );
  if (conversion.spec.has([...CANARY, 'replicas'])) {
    for (const field of [surge, dynamic])
      field.note(
        'NotConverted',
        'the number of canary pods is fixed (canary.replicas)',
        'use either of them',
      );
  } else if (isRouted && !isScaled) {
    dynamic.cover();
    surge.note(
      'NotConverted',
      'the stable revision keeps all of its pods',
      'set canary.maxSurge to limit both',
    );
  } else if (isScaled) {
    conversion.spec.set([...CANARY, 'maxSurge'], surge.scalar() ?? DEFAULT_SHARE, surge, dynamic);
    dynamic.note(
      'Changed',
      'canary.maxSurge limits the pods of both revisions, and the stable one is scaled down',
      'check canary.maxSurge',
    );
  } else {
    dynamic.cover();
    conversion.spec.set([...CANARY, 'maxSurge'], surge.scalar(), surge);
  }
}

function convertDelays(conversion: Conversion, canary: Field, isRouted: boolean): void {
  const delay = canary.at('scaleDownDelaySeconds');
  if (isRouted) conversion.spec.set([...CANARY, 'scaleDownDelay'], delay.duration(), delay);
  else delay.note('NotNeeded', 'a Rollout without traffic routing ignores it');
}

function reportRest(canary: Field): void {
  const notes: [string, string, string?][] = [
    ['scaleDownDelayRevisionLimit', 'one old revision keeps its pods for scaleDownDelay'],
    [
      'abortScaleDownDelaySeconds',
      'scaleDownDelay also applies after an abort',
      'check canary.scaleDownDelay',
    ],
    ['minPodsPerReplicaSet', 'the number of canary pods follows the weight', 'set canary.replicas'],
    [
      'replicaProgressThreshold',
      'the weight is limited to the capacity of the ready pods, and a step needs all of it',
    ],
    [
      'antiAffinity',
      'the operator sets no anti-affinity between revisions',
      'set spec.scheduling.affinity.podAntiAffinity with mismatchLabelKeys [pcf.dev/revision]',
    ],
    ['canaryMetadata', 'labels of pods do not change at the promotion', 'use the label pcf.dev/revision'],
    ['stableMetadata', 'labels of pods do not change at the promotion', 'use the label pcf.dev/revision'],
    ['scaleDownDelaySeconds', 'RollingUpdate removes pods when others are ready'],
    ['dynamicStableScale', 'RollingUpdate scales the stable revision down'],
  ];
  for (const [key, why, instead] of notes) canary.at(key).noteUnlessCovered('NotConverted', why, instead);
}
