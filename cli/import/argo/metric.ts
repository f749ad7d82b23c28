/** Converts a metric of an AnalysisTemplate. */
import { type AnalysisBuilder, hasUnknownTemplate } from '../common/analysis-builder.js';
import { type Bounds, conditionBounds } from '../common/condition.js';
import { goDuration } from '../common/go-duration.js';
import type { Field } from '../source.js';
import type { Arguments } from './arguments.js';
import { jobTemplate } from './job.js';

/** Reason that a metric can't be converted. */
interface Obstacle {
  why: string;
  instead?: string;
}

type Part = Record<string, unknown> | Obstacle;

/** Adds the metric to the analysis and returns its name. Reports it and returns undefined if that is not possible. */
export function convertMetric(
  builder: AnalysisBuilder,
  metric: Field,
  values: Arguments,
): string | undefined {
  const name = addMetric(builder, metric, values);
  values.finishMetric(name !== undefined);
  return name;
}

function addMetric(builder: AnalysisBuilder, metric: Field, values: Arguments): string | undefined {
  const bounds = metric.at('provider', 'job').isGiven ? {} : boundsOf(metric, values);
  if (isObstacle(bounds)) return skip(metric, bounds);
  const paced = pace(metric, values);
  if (isObstacle(paced)) return skip(metric, paced);
  const measured = measurement(builder, metric, values);
  if (isObstacle(measured)) return skip(metric, measured);
  metric
    .at('consecutiveErrorLimit')
    .note('NotConverted', 'errors of a provider pause a delivery, and do not abort it');
  metric
    .at('consecutiveSuccessLimit')
    .note('NotConverted', 'an analysis passes after `count` measurements', 'set count');
  const name = builder.add(
    { name: metric.at('name').text() ?? '', ...measured, ...bounds, ...paced },
    metric,
  );
  if (name && 'query' in measured) convertConnection(builder, metric.at('provider', 'prometheus'));
  return name;
}

function isObstacle(part: Part): part is Obstacle {
  return 'why' in part;
}

function skip(metric: Field, { why, instead }: Obstacle): undefined {
  metric.note('NotConverted', why, instead);
  return undefined;
}

function measurement(builder: AnalysisBuilder, metric: Field, values: Arguments): Part {
  const provider = metric.at('provider');
  if (provider.at('prometheus').isGiven) return prometheus(builder, provider.at('prometheus'), values);
  if (provider.at('job').isGiven) return jobTemplate(provider.at('job'), values);
  const [name = 'unknown'] = Object.keys((provider.value as object) ?? {});
  return {
    why: `the analysis has no provider ${name}`,
    instead: 'use a Prometheus query, a webhook or a Job: docs/analysis.md',
  };
}

function prometheus(builder: AnalysisBuilder, provider: Field, values: Arguments): Part {
  const query = values.resolve(provider.at('query').text()?.trim() ?? '');
  if (!query || hasUnknownTemplate(query))
    return {
      why: 'its query has an argument without a known value',
      instead: 'write the query with {{revision}} and {{namespace}}',
    };
  if (provider.at('rangeQuery').isGiven)
    return {
      why: 'a range query returns a list per series',
      instead: 'use an instant query with avg_over_time or max_over_time',
    };
  const address = provider.at('address');
  if (!builder.usePrometheus(address, values.resolve(address.text() ?? '')))
    return { why: 'an analysis has one Prometheus server, and another metric uses a different one' };
  return { query };
}

function convertConnection(builder: AnalysisBuilder, provider: Field): void {
  const { spec } = builder.conversion;
  const path = [...builder.path, 'prometheus'];
  const timeout = provider.at('timeout');
  if (!spec.has([...path, 'timeout'])) spec.set([...path, 'timeout'], timeout.duration(), timeout);
  else timeout.note('NotConverted', 'an analysis has one timeout');
  const insecure = provider.at('insecure');
  if (insecure.value === true) spec.set([...path, 'tls', 'insecureSkipVerify'], insecure.flag(), insecure);
  else insecure.cover();
  for (const header of provider.at('headers').items()) {
    const key = header.at('key').text() ?? '';
    if (/^(authorization|cookie|host)$/i.test(key))
      header.note('NotConverted', 'credentials come from a Secret', 'set analysis.prometheus.auth');
    else if (spec.has([...path, 'headers', key]) || !/^[A-Za-z][-A-Za-z0-9]*$/.test(key))
      header.note('NotConverted', 'an analysis has one value per header');
    else spec.set([...path, 'headers', key], header.at('value').text(), header);
  }
  provider
    .at('authentication')
    .note('NotConverted', 'credentials come from a Secret', 'set analysis.prometheus.auth');
}

function boundsOf(metric: Field, values: Arguments): Part {
  const [success, failure] = [metric.at('successCondition'), metric.at('failureCondition')];
  const chosen = success.isGiven ? success : failure;
  if (!chosen.isGiven) return { why: 'it has no condition, so that each measurement succeeds' };
  const condition = values.resolve(chosen.text() ?? '');
  const bounds = condition && conditionBounds(condition, success.isGiven ? 'success' : 'failure');
  if (!bounds)
    return {
      why: `the condition ${JSON.stringify(chosen.value)} is not a comparison with a number`,
      instead: 'let the query return a number, and set min or max',
    };
  return reported(bounds, chosen, success.isGiven ? failure : undefined);
}

function reported({ remarks, ...bounds }: Bounds, chosen: Field, other?: Field): Part {
  if (remarks.length > 0) chosen.note('Changed', [...new Set(remarks)].join('; '));
  other?.note(
    'Changed',
    'a measurement that is no success is a failure; there is no range between them',
    'check min and max',
  );
  return bounds;
}

/** Interval, delay and limits. */
function pace(metric: Field, values: Arguments): Part {
  const texts = ['interval', 'initialDelay', 'count', 'failureLimit', 'inconclusiveLimit'].map((key) => {
    const value = metric.at(key).scalar();
    return value === undefined ? undefined : values.resolve(String(value));
  });
  const [interval, initialDelay] = texts.slice(0, 2).map((text) => text && goDuration(text));
  const [count, failureLimit, inconclusiveLimit] = texts
    .slice(2)
    .map((text) => (text ? Number(text) : undefined));
  if (failureLimit === -1) return { why: 'it has no failure limit, so that it can never fail' };
  metric
    .at('inconclusiveLimit')
    .note('Changed', 'consecutive measurements without data count, and more of them pause the delivery');
  if (metric.at('count').isGiven || !metric.at('interval').isGiven) {
    const once = count || (metric.at('interval').isGiven ? undefined : 1);
    return { interval, initialDelay: initialDelay ?? '0s', count: once, failureLimit, inconclusiveLimit };
  }
  return { interval, initialDelay: initialDelay ?? '0s', failureLimit, inconclusiveLimit };
}
