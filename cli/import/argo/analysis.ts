/** Converts the analysis of a Rollout: its AnalysisTemplates become metrics. */
import type { AnalysisBuilder } from '../common/analysis-builder.js';
import type { Field } from '../source.js';
import { Arguments, GivenArguments } from './arguments.js';
import { convertMetric } from './metric.js';

/** Converts a RolloutAnalysis and returns the names of the converted metrics. */
export function convertAnalysis(builder: AnalysisBuilder, analysis: Field): string[] {
  const given = new GivenArguments(analysis.at('args'));
  const skipped = dryRuns(analysis.at('dryRun'));
  const names = convertTemplates(builder, analysis.at('templates'), given, skipped, []);
  given.report();
  noteModes(analysis);
  analysis
    .at('analysisRunMetadata')
    .note('NotConverted', 'an analysis is a part of the PcfApi, without an object of its own');
  return names;
}

/** `visited`: names of the templates that refer to these, against circles. */
function convertTemplates(
  builder: AnalysisBuilder,
  references: Field,
  given: GivenArguments,
  dryRun: ReadonlySet<string>,
  visited: readonly string[],
): string[] {
  return references.items().flatMap((reference) => {
    const name = reference.at('templateName').text() ?? '';
    const kind = reference.at('clusterScope').flag() ? 'ClusterAnalysisTemplate' : 'AnalysisTemplate';
    const template = builder.conversion.find(kind, name);
    if (visited.includes(name)) return [];
    if (template) return convertTemplate(builder, template, given, dryRun, [...visited, name]);
    reference.note('NotConverted', `${kind} ${name} is not in the input`, 'add its file with another -f');
    return [];
  });
}

function convertTemplate(
  builder: AnalysisBuilder,
  template: Field,
  given: GivenArguments,
  dryRun: ReadonlySet<string>,
  visited: readonly string[],
): string[] {
  const spec = template.at('spec');
  const values = new Arguments(spec.at('args'), given);
  const skipped = new Set([...dryRun, ...dryRuns(spec.at('dryRun'))]);
  const names = spec
    .at('metrics')
    .items()
    .filter((metric) => !isDryRun(metric, skipped))
    .map((metric) => convertMetric(builder, metric, values));
  values.report();
  noteModes(spec);
  const nested = convertTemplates(builder, spec.at('templates'), given, skipped, visited);
  return [...names.filter((name) => name !== undefined), ...nested];
}

/** Notes fields that an analysis and a template have alike. */
function noteModes(from: Field): void {
  from
    .at('dryRun')
    .note('NotConverted', 'a failed metric aborts a delivery: metrics in dry-run mode are left out');
  from
    .at('measurementRetention')
    .note('NotNeeded', 'the status has the last value and the counts of a metric');
}

function dryRuns(list: Field): Set<string> {
  return new Set(list.items().map((entry) => String(entry.at('metricName').value)));
}

function isDryRun(metric: Field, names: ReadonlySet<string>): boolean {
  const isListed = names.has('*') || names.has(String(metric.at('name').value));
  if (isListed)
    metric.note(
      'NotConverted',
      'it is in dry-run mode, and a failed metric aborts a delivery',
      'alert on its query',
    );
  return isListed;
}
