/** Converts the blue-green strategy of a Rollout. */
import { AnalysisBuilder } from '../common/analysis-builder.js';
import type { Conversion } from '../conversion.js';
import type { Field } from '../source.js';
import { convertAnalysis } from './analysis.js';

const BLUE_GREEN = ['strategy', 'blueGreen'];

/** Returns the names of the Services, the main one first. */
export function convertBlueGreen(conversion: Conversion, blueGreen: Field): string[] {
  const { spec } = conversion;
  spec.set(['strategy', 'type'], 'BlueGreen');
  const promote = blueGreen.at('autoPromotionEnabled');
  spec.set([...BLUE_GREEN, 'autoPromote'], promote.flag(), promote);
  const delay = blueGreen.at('scaleDownDelaySeconds');
  spec.set([...BLUE_GREEN, 'scaleDownDelay'], delay.duration(), delay);
  const analysis = new AnalysisBuilder(conversion, [...BLUE_GREEN, 'analysis']);
  convertAnalysis(analysis, blueGreen.at('prePromotionAnalysis'));
  analysis.finish();
  reportRest(blueGreen);
  const [active, preview] = [blueGreen.at('activeService'), blueGreen.at('previewService')];
  active.note(
    'Changed',
    'the operator creates the Service',
    'let clients use the Service with the name of the PcfApi',
  );
  preview.note('Changed', 'the operator creates a Service with the suffix -preview', 'let tests use it');
  return [active, preview].flatMap(({ value }) => (typeof value === 'string' ? [value] : []));
}

function reportRest(blueGreen: Field): void {
  const notes: [string, string, string?][] = [
    [
      'autoPromotionSeconds',
      'the traffic is switched when all new pods are ready and the analysis has passed',
      'set initialDelay of blueGreen.analysis, or autoPromote: false',
    ],
    ['previewReplicaCount', 'all new pods are ready before the switch'],
    ['maxUnavailable', 'pods are not restarted in place'],
    ['scaleDownDelayRevisionLimit', 'one old revision keeps its pods for scaleDownDelay'],
    [
      'abortScaleDownDelaySeconds',
      'scaleDownDelay also applies after an abort',
      'check blueGreen.scaleDownDelay',
    ],
    [
      'postPromotionAnalysis',
      'the analysis ends before the switch',
      'use strategy Canary with a step of weight 100 and an analysis',
    ],
    [
      'antiAffinity',
      'the operator sets no anti-affinity between revisions',
      'set spec.scheduling.affinity.podAntiAffinity with mismatchLabelKeys [pcf.dev/revision]',
    ],
    ['previewMetadata', 'labels of pods do not change at the promotion', 'use the label pcf.dev/revision'],
    ['activeMetadata', 'labels of pods do not change at the promotion', 'use the label pcf.dev/revision'],
  ];
  for (const [key, why, instead] of notes) blueGreen.at(key).note('NotConverted', why, instead);
}
