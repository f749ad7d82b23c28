/** Converts the analysis of a Canary: strategy, steps and metrics. */
import { durationMs } from '../../../operator/api/v1alpha1/kubernetes.js';
import { AnalysisBuilder } from '../common/analysis-builder.js';
import { formatDuration } from '../common/go-duration.js';
import { Steps } from '../common/steps.js';
import type { Conversion } from '../conversion.js';
import type { Field } from '../source.js';
import { convertMetrics } from './metrics.js';
import type { Provider } from './service.js';
import { convertSessionAffinity, reportSessionAffinity } from './session-affinity.js';
import { convertWebhooks } from './webhooks.js';

const FULL_WEIGHT = 100;
/** Iterations of Flagger without a mesh, if the Canary has none. */
const DEFAULT_ITERATIONS = 10;
/** Interval of Flagger, if the Canary has none. */
const DEFAULT_INTERVAL = '1m';

/** Inputs that all strategies use. */
interface Settings {
  conversion: Conversion;
  analysis: Field;
  interval: string;
  iterations: number;
}

export function convertAnalysis(conversion: Conversion, canary: Field, provider: Provider): void {
  const spec = canary.at('spec');
  const [current, deprecated] = [spec.at('analysis'), spec.at('canaryAnalysis')];
  const analysis = current.isGiven ? current : deprecated;
  if (current.isGiven) deprecated.note('NotNeeded', 'analysis replaces it');
  if (spec.at('skipAnalysis').flag()) {
    conversion.spec.set(['strategy', 'type'], 'Canary');
    spec.at('skipAnalysis').note('Changed', 'a canary without steps and without analysis');
    for (const field of [analysis, spec.at('metricsServer')])
      field.note('NotConverted', 'skipAnalysis is true', 'set it to false and convert again');
    return;
  }
  const given = analysis.at('iterations').number() ?? 0;
  const iterations =
    given > 0 ? given : provider === 'None' && !hasWeights(analysis) ? DEFAULT_ITERATIONS : 0;
  const interval = analysis.at('interval').duration() ?? DEFAULT_INTERVAL;
  const settings: Settings = { conversion, analysis, interval, iterations };
  reportUnconverted(analysis);
  if (iterations > 0 && analysis.at('match').items().length === 0 && !mirrors(settings, provider))
    convertBlueGreen(settings, canary);
  else convertCanary(settings, canary, provider);
}

function hasWeights(analysis: Field): boolean {
  return ['stepWeight', 'stepWeights', 'maxWeight'].some((key) => analysis.at(key).isGiven);
}

function mirrors({ analysis }: Settings, provider: Provider): boolean {
  return analysis.at('mirror').value === true && provider !== 'None';
}

function convertBlueGreen(settings: Settings, canary: Field): void {
  const { conversion, analysis, iterations } = settings;
  const path = ['strategy', 'blueGreen'];
  conversion.spec.set(['strategy', 'type'], 'BlueGreen');
  reportSessionAffinity(analysis);
  const builder = new AnalysisBuilder(conversion, [...path, 'analysis']);
  convertMetrics(builder, canary, analysis);
  convertPace(builder, settings, iterations);
  if (builder.isEmpty)
    for (const key of ['interval', 'iterations'])
      analysis
        .at(key)
        .note('NotConverted', 'without metrics the traffic is switched when the pods are ready');
  for (const key of ['mirror', 'mirrorWeight', 'stepWeight', 'stepWeights', 'maxWeight'])
    analysis
      .at(key)
      .note(
        'NotConverted',
        'a blue-green delivery has no weights and mirrors no requests',
        'use strategy Canary',
      );
  const gates = convertWebhooks(analysis.at('webhooks'));
  const gate = gates.promotion ?? gates.increase ?? gates.start;
  if (gate) conversion.spec.set([...path, 'autoPromote'], false, gate);
}

function convertCanary(settings: Settings, canary: Field, provider: Provider): void {
  const { conversion, analysis, iterations } = settings;
  const path = ['strategy', 'canary'];
  conversion.spec.set(['strategy', 'type'], 'Canary');
  const steps = new Steps();
  const gates = convertWebhooks(analysis.at('webhooks'));
  if (gates.start) {
    steps.setWeight(0, gates.start);
    steps.wait({ pause: true }, gates.start);
  }
  if (iterations > 0) convertIterations(settings, steps);
  else convertWeights(settings, steps);
  if (gates.increase) steps.pauseAt('every', gates.increase);
  if (gates.promotion) steps.pauseAt('last', gates.promotion);
  steps.write(conversion, analysis);
  if (steps.isEmpty)
    analysis.remark(
      'Changed',
      'without weights the new revision gets all traffic when its pods are ready',
      'set canary.steps',
    );
  convertHeader(settings);
  convertMirror(settings, provider);
  convertSessionAffinity(conversion, analysis, provider);
  const builder = new AnalysisBuilder(conversion, [...path, 'analysis']);
  convertMetrics(builder, canary, analysis);
  convertPace(builder, settings, Math.max(1, iterations));
}

/** A/B testing and mirroring: the new revision has no weight, for all iterations. */
function convertIterations({ analysis, interval, iterations }: Settings, steps: Steps): void {
  const field = analysis.at('iterations');
  steps.setWeight(0, field);
  steps.wait({ hold: formatDuration(durationMs(interval) * iterations) }, field);
  for (const key of ['stepWeight', 'stepWeights', 'maxWeight'])
    analysis.at(key).note('NotNeeded', 'iterations replace weights');
}

/** Weights at which the canary stays for one interval each: `stepWeights`, or multiples of `stepWeight` up to `maxWeight`. */
function convertWeights({ analysis, interval }: Settings, steps: Steps): void {
  const [step, list] = [analysis.at('stepWeight'), analysis.at('stepWeights')];
  const size = step.number() ?? 0;
  const max = Math.min(FULL_WEIGHT, analysis.at('maxWeight').number() || FULL_WEIGHT);
  if (size > 0) {
    list.note('NotNeeded', 'stepWeight has precedence');
    for (let weight = size; ; weight += size) {
      add(Math.min(weight, FULL_WEIGHT), step);
      if (weight >= max) break;
    }
  } else {
    if (list.items().length > 0)
      analysis.at('maxWeight').note('NotNeeded', 'the last of stepWeights is the maximum');
    for (const weight of list.items()) add(Math.min(weight.number() ?? 0, FULL_WEIGHT), weight);
  }
  function add(weight: number, source: Field): void {
    steps.setWeight(weight, source);
    steps.wait({ hold: interval }, source);
  }
}

/** Interval, number of measurements and tolerated failures. Flagger aborts when the failures reach `threshold`. */
function convertPace(builder: AnalysisBuilder, { analysis, interval }: Settings, count: number): void {
  builder.finish();
  const { spec } = builder.conversion;
  const threshold = analysis.at('threshold');
  if (builder.isEmpty) {
    threshold.note('NotConverted', 'no metric was converted', 'set the analysis of the strategy');
    return;
  }
  spec.set([...builder.path, 'interval'], interval, analysis.at('interval'));
  spec.set([...builder.path, 'initialDelay'], interval, analysis.at('interval'));
  spec.set([...builder.path, 'count'], count);
  const failures = threshold.number();
  spec.set([...builder.path, 'failureLimit'], failures ? failures - 1 : 0, threshold);
}

function headerOf({ analysis }: Settings): { name: string; value: string; field: Field } | undefined {
  for (const match of analysis.at('match').items())
    for (const [name, header] of match.at('headers').entries()) {
      const value = header.at('exact');
      if (typeof value.value === 'string') return { name, value: value.value, field: value };
    }
  return undefined;
}

function convertHeader(settings: Settings): void {
  const { conversion, analysis } = settings;
  const header = headerOf(settings);
  if (header) {
    const { name, value, field } = header;
    conversion.spec.set(['strategy', 'canary', 'header'], { name, value }, field);
    field.note('Changed', 'the header is routed as soon as the new revision has a ready pod, at any weight');
  }
  for (const match of analysis.at('match').items()) {
    for (const [, other] of [
      ...match.entries().filter(([key]) => key !== 'headers'),
      ...match.at('headers').entries(),
    ])
      if (other.at('exact').path.join() !== header?.field.path.join())
        other.note(
          'NotConverted',
          'one header with an exact value routes to the new revision',
          'let clients send canary.header',
        );
  }
}

function convertMirror(settings: Settings, provider: Provider): void {
  const { conversion, analysis } = settings;
  const [mirror, weight] = [analysis.at('mirror'), analysis.at('mirrorWeight')];
  if (!mirrors(settings, provider)) {
    if (mirror.value === false) mirror.note('NotNeeded', 'no requests are mirrored');
    else
      mirror.note('NotConverted', 'requests are mirrored with Istio or the Gateway API', 'set spec.traffic');
    weight.note('NotNeeded', 'no requests are mirrored');
    return;
  }
  conversion.spec.set(['strategy', 'canary', 'mirror'], weight.number() || FULL_WEIGHT, weight);
  mirror.note(
    'Changed',
    'requests are mirrored during the whole delivery, and a mirrored mutation is executed twice',
    'remove canary.mirror unless all requests are idempotent',
  );
}

function reportUnconverted(analysis: Field): void {
  analysis.at('stepWeightPromotion').note('NotNeeded', 'a promotion restarts no pods');
  for (const key of ['primaryReadyThreshold', 'canaryReadyThreshold'])
    analysis.at(key).note('NotConverted', 'the weight is limited to the capacity of the ready pods');
  for (const alert of analysis.at('alerts').items())
    alert.note('NotConverted', 'the URL of a notification is in a Secret', 'set spec.notifications.webhooks');
}
