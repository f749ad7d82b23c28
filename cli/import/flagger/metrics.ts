/** Converts the metrics of a Canary and their MetricTemplates. */
import { type AnalysisBuilder, hasUnknownTemplate } from '../common/analysis-builder.js';
import type { Field } from '../source.js';

const PERCENT = 100;
const MS_PER_SECOND = 1000;
/** Range of a query, if a metric has none. */
const DEFAULT_RANGE = '1m';
const TEMPLATE = /\{\{-?\s*(\w+)(?:\.(\w+))?\s*-?\}\}/g;

/** Adds the metrics. Each that is not converted is reported. */
export function convertMetrics(builder: AnalysisBuilder, canary: Field, analysis: Field): void {
  const server = canary.at('spec', 'metricsServer');
  for (const metric of analysis.at('metrics').items()) {
    if (metric.at('templateRef').isGiven) convertTemplate(builder, canary, metric);
    else if (metric.at('query').isGiven) convertQuery(builder, canary, metric, metric.at('query'), server);
    else convertBuiltIn(builder, metric, server);
  }
  server.noteUnlessCovered('NotNeeded', 'no converted metric uses it');
}

/** The metrics that Flagger measures in the mesh. The API measures its operations itself. */
function convertBuiltIn(builder: AnalysisBuilder, metric: Field, server: Field): void {
  const name = metric.at('name').text() ?? '';
  const isRate = name === 'request-success-rate';
  if (!isRate && name !== 'request-duration') {
    metric.note(
      'NotConverted',
      'it has no query, and is no metric of the API',
      'add a templateRef, or set analysis.metrics',
    );
    return;
  }
  const divisor = isRate ? PERCENT : MS_PER_SECOND;
  const bounds = boundsOf(metric, isRate ? 'min' : 'max', divisor);
  const window = metric.at('interval').duration();
  const requests = window ? { window } : {};
  if (!bounds || !builder.usePrometheus(server, server.text())) {
    metric.note(
      'NotConverted',
      bounds ? 'an analysis has one Prometheus server' : 'it has no bound',
      'set min or max',
    );
    return;
  }
  builder.add({ name, ...(isRate ? { successRate: requests } : { latency: requests }), ...bounds }, metric);
  metric.remark(
    'Changed',
    isRate
      ? 'it counts GraphQL errors, as a share from 0 to 1'
      : 'it is the p99 of GraphQL operations, in seconds; more than 2.5 s are counted as 2.5 s',
  );
}

function convertTemplate(builder: AnalysisBuilder, canary: Field, metric: Field): void {
  const reference = metric.at('templateRef');
  const name = reference.at('name').text();
  const template = builder.conversion.find('MetricTemplate', name, reference.at('namespace').text());
  if (!template) {
    metric.note('NotConverted', `MetricTemplate ${name} is not in the input`, 'add its file with another -f');
    return;
  }
  const provider = template.at('spec', 'provider');
  if (provider.at('type').text() !== 'prometheus') {
    metric.note(
      'NotConverted',
      `the analysis has no provider ${provider.at('type').value}`,
      'use a Prometheus query, a webhook or a Job: docs/analysis.md',
    );
    template.at('spec').note('NotConverted', 'its provider is not Prometheus');
    return;
  }
  for (const key of ['apiVersion', 'kind']) reference.at(key).note('NotNeeded', 'it is a MetricTemplate');
  convertQuery(builder, canary, metric, template.at('spec', 'query'), provider.at('address'));
}

/** `query` and `address`: fields of the metric, or of its MetricTemplate. */
function convertQuery(
  builder: AnalysisBuilder,
  canary: Field,
  metric: Field,
  query: Field,
  address: Field,
): void {
  const obstacle = addQuery(builder, canary, metric, query, address);
  if (!obstacle) return;
  const [why, instead] = obstacle;
  metric.note('NotConverted', why, instead);
  query.note('NotConverted', why, instead);
  address.noteUnlessCovered('NotNeeded', 'no converted metric uses it');
}

/** Adds a metric with the query, or returns the reason why that is not possible, and what to do instead. */
function addQuery(
  builder: AnalysisBuilder,
  canary: Field,
  metric: Field,
  query: Field,
  address: Field,
): [why: string, instead?: string] | undefined {
  const bounds = boundsOf(metric, 'max', 1);
  if (!bounds) return ['it has no bound', 'set min or max'];
  const text = replaceTemplates(query.text()?.trim() ?? '', canary, metric);
  if (text === '' || hasUnknownTemplate(text))
    return [
      'its query has a template without a value',
      'write the query with {{revision}} and {{namespace}}',
    ];
  if (!builder.usePrometheus(address, address.text()))
    return ['an analysis has one Prometheus server, and another metric uses a different one'];
  const name = builder.add({ name: metric.at('name').text() ?? '', query: text, ...bounds }, metric);
  if (!name) return ['its values are not valid in a PcfApi', 'set valid values'];
  if (text.includes('evision}}'))
    metric.remark(
      'Changed',
      'the target becomes {{revision}}, the name of the Deployment of the new revision, and the primary {{stableRevision}}',
      'check the labels in the query',
    );
  return undefined;
}

/** Replaces the templates of Flagger. The new version runs in the target, and the previous one in `<target>-primary`. */
function replaceTemplates(query: string, canary: Field, metric: Field): string {
  const interval = metric.at('interval');
  const values: Record<string, () => string | undefined> = {
    name: () => '{{name}}',
    namespace: () => '{{namespace}}',
    service: () => '{{name}}',
    target: () => '{{revision}}',
    interval: () => interval.text() ?? DEFAULT_RANGE,
  };
  const target = canary.at('spec', 'targetRef', 'name').value;
  const replaced = query.replaceAll(TEMPLATE, (whole, name: string, key?: string) => {
    const value = name === 'variables' && key ? metric.at('templateVariables', key).text() : values[name]?.();
    return value ?? whole;
  });
  return replaced
    .replaceAll('{{revision}}-primary', '{{stableRevision}}')
    .replaceAll(`"${target}-primary"`, '"{{stableRevision}}"');
}

/** `threshold` is deprecated: the minimum of the success rate, and the maximum of other metrics. */
function boundsOf(
  metric: Field,
  deprecated: 'min' | 'max',
  divisor: number,
): { min?: number; max?: number } | undefined {
  const range = metric.at('thresholdRange');
  const threshold = metric.at('threshold');
  const [min, max] = [range.at('min').number(), range.at('max').number()];
  if (min === undefined && max === undefined) {
    const value = threshold.number();
    return value === undefined ? undefined : { [deprecated]: value / divisor };
  }
  threshold.note('NotNeeded', 'thresholdRange replaces it');
  return {
    ...(min === undefined ? {} : { min: min / divisor }),
    ...(max === undefined ? {} : { max: max / divisor }),
  };
}
