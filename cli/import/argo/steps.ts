/** Converts the steps of a canary. */
import type { AnalysisBuilder } from '../common/analysis-builder.js';
import type { Steps } from '../common/steps.js';
import type { Conversion } from '../conversion.js';
import type { Field } from '../source.js';
import { convertAnalysis } from './analysis.js';

const CANARY = ['strategy', 'canary'];
const REPLICAS = [...CANARY, 'replicas'];
const FULL_WEIGHT = 100;

/** Adds the steps. `isRouted`: whether a traffic provider was converted. */
export function convertSteps(builder: AnalysisBuilder, canary: Field, steps: Steps, isRouted: boolean): void {
  const { conversion } = builder;
  const total = canary.at('trafficRouting', 'maxTrafficWeight').number() ?? FULL_WEIGHT;
  for (const step of canary.at('steps').items()) {
    convertWeight(step.at('setWeight'), steps, total);
    convertPause(step.at('pause'), steps);
    convertStepAnalysis(builder, step.at('analysis'), steps);
    convertHeader(conversion, step.at('setHeaderRoute'));
    convertMirror(conversion, step.at('setMirrorRoute'), isRouted);
    const experiment = step.at('experiment');
    pauseInstead(experiment, steps, 'there are no experiments with additional pods', 'use compareWithStable');
    pauseInstead(
      step.at('plugin'),
      steps,
      'there are no step plugins',
      'use a metric with a Job or a webhook',
    );
  }
  convertScales(conversion, canary.at('steps'), steps.maxWeight);
}

function convertWeight(field: Field, steps: Steps, total: number): void {
  const weight = field.number();
  if (weight === undefined) return;
  const percent = (weight * FULL_WEIGHT) / total;
  steps.setWeight(Math.floor(percent), field);
  if (!Number.isInteger(percent))
    field.note(
      'Changed',
      `weights are whole percents: ${weight} of ${total} becomes ${Math.floor(percent)} %`,
    );
}

function convertPause(field: Field, steps: Steps): void {
  if (!field.isGiven) return;
  const duration = field.at('duration');
  if (duration.isGiven) steps.wait({ hold: duration.duration() }, field);
  else {
    steps.wait({ pause: true }, field);
    if (field.hasOnly()) field.cover();
  }
}

function convertStepAnalysis(builder: AnalysisBuilder, field: Field, steps: Steps): void {
  if (!field.isGiven) return;
  const names = convertAnalysis(builder, field);
  if (names.length > 0) steps.wait({ analysis: names }, field);
  else {
    field.report(
      'Changed',
      'no metric was converted: it waits for a promotion',
      'add metrics to canary.analysis',
    );
    steps.wait({ pause: true }, field);
  }
}

/** A step that decides about the delivery becomes a pause: without it, the traffic would continue unchecked. */
function pauseInstead(field: Field, steps: Steps, why: string, instead: string): void {
  if (!field.isGiven) return;
  field.note('NotConverted', `${why}; the step waits for a promotion`, instead);
  steps.wait({ pause: true }, field);
}

/**
 * Converts one fixed number of canary pods, for all steps. The weight is limited to the capacity of these
 * pods: without capacity for the highest weight, a step would never end.
 */
function convertScales(conversion: Conversion, list: Field, maxWeight: number): void {
  const scales = list.items().map((step) => step.at('setCanaryScale'));
  for (const scale of scales.filter(({ isGiven }) => isGiven)) {
    const replicas = scale.at('replicas').value as number | undefined;
    const total = conversion.spec.get(['replicas']) as number | undefined;
    const capacity = replicas && total ? (replicas * FULL_WEIGHT) / total : 0;
    if (scale.at('matchTrafficWeight').value === true)
      scale.note('NotNeeded', 'the number of canary pods follows the weight');
    else if (capacity > 0 && capacity >= maxWeight && !conversion.spec.has(REPLICAS)) {
      conversion.spec.set(REPLICAS, scale.at('replicas').number(), scale);
      scale.at('replicas').note('Changed', 'it applies to all steps before weight 100');
    } else
      scale.note(
        'NotConverted',
        `the number of canary pods follows the weight, or is fixed for the delivery with capacity for its highest weight, ${maxWeight} %`,
        'set canary.replicas',
      );
  }
}

function convertHeader(conversion: Conversion, route: Field): void {
  if (!route.isGiven) return;
  const [match] = route.at('match').items();
  if (!match) {
    route.note('NotNeeded', 'the header routes to the new revision during the whole delivery');
    return;
  }
  const value = match.at('headerValue', 'exact');
  if (!value.isGiven || conversion.spec.has([...CANARY, 'header'])) {
    route.note(
      'NotConverted',
      'one header with an exact value routes to the new revision',
      'set canary.header',
    );
    return;
  }
  conversion.spec.set(
    [...CANARY, 'header'],
    { name: match.at('headerName').text(), value: value.text() },
    route,
  );
  for (const other of route.at('match').items().slice(1))
    other.note('NotConverted', 'one header routes to the new revision', 'let clients send canary.header');
  route.at('name').note('NotNeeded', 'the operator names its rules');
  route.remark('Changed', 'the header is routed as soon as the new revision has a ready pod, at any weight');
}

function convertMirror(conversion: Conversion, route: Field, isRouted: boolean): void {
  if (!route.isGiven) return;
  const matches = route.at('match').items();
  const path = [...CANARY, 'mirror'];
  if (matches.length === 0) {
    route.note('NotNeeded', 'requests are mirrored until the promotion');
  } else if (!matches.some(matchesAll)) {
    route.note(
      'NotConverted',
      'requests are mirrored without a selection, mutations included',
      'set canary.mirror if all requests are idempotent',
    );
  } else if (!isRouted || conversion.spec.has(path)) {
    route.note('NotConverted', 'one share is mirrored, with Istio or the Gateway API', 'set canary.mirror');
  } else {
    conversion.spec.set(path, route.at('percentage').number() ?? FULL_WEIGHT, route);
    route.note(
      'Changed',
      'requests are mirrored during the whole delivery, and a mirrored mutation is executed twice',
      'remove canary.mirror unless all requests are idempotent',
    );
  }
}

/** Whether a rule matches all requests. */
function matchesAll(match: Field): boolean {
  return match.hasOnly('path') && match.at('path', 'prefix').value === '/';
}
