/** Instant queries to Prometheus and compatible servers. */
import { z } from 'zod';
import { durationMs } from '../../api/v1alpha1/kubernetes.js';
import { BURN_RATES, type PrometheusTarget } from '../../api/v1alpha1/spec/analysis-sources.js';
import { OutgoingError, post } from '../../runtime/outgoing/http.js';
import type { SecretReader } from '../../runtime/outgoing/secrets.js';
import type { Reading, Sample, Subject } from '../analysis-model.js';
import { builtInQuery } from '../built-in.js';
import { substitute } from '../placeholders.js';
import { CountsReader } from '../sequential/read-counts.js';
import type { Provider, Request } from './provider.js';

/** Every series is judged. A query with more series probably lacks an aggregation. */
const MAX_SERIES = 500;
/** Per operation, sequential tests read up to 20 counters. */
const MAX_COUNTS = 2_000;
const MAX_WORDS = 200;
const NO_COUNTS = { narrow: [], wide: [], wideSeconds: 0 };

const sample = z.tuple([z.number(), z.string()]);
const answer = z.union([
  z.object({
    status: z.literal('success'),
    warnings: z.array(z.string()).optional(),
    data: z.union([
      z.object({
        resultType: z.literal('vector'),
        result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: sample.optional() })),
      }),
      z.object({ resultType: z.literal('scalar'), result: sample }),
      z.object({ resultType: z.enum(['matrix', 'string']) }),
    ]),
  }),
  z.object({ status: z.literal('error'), error: z.string() }),
]);

interface Answer {
  samples: Sample[];
  warning?: string;
}

export class PrometheusProvider implements Provider {
  readonly type = 'Prometheus';

  private readonly counts = new CountsReader();

  constructor(private readonly secrets: SecretReader) {}

  async measure(request: Request, signal: AbortSignal): Promise<Reading> {
    const { analysis, subject, metric, at } = request;
    const target = analysis.prometheus;
    if (!target) throw new Error('analysis.prometheus is not set');
    if (metric.spec.sequential) return this.count(request, target, signal);
    const ask = (names: Subject) => this.query(target, queryOf(request, target, names), at, names, signal);
    const stable = metric.spec.compareWithStable && subject.stableRevision;
    const [canary, peer] = await Promise.all([
      ask(subject),
      stable ? ask({ ...subject, revision: stable }) : undefined,
    ]);
    const warning = canary.warning ?? peer?.warning;
    const none = metric.spec.query ? 'no data' : noRequests(metric.spec);
    return {
      type: 'Samples',
      samples: canary.samples,
      stable: peer?.samples,
      // A partial result is inconclusive: the missing part can contain the failure.
      ...(warning ? { note: `the result is incomplete: ${warning}` } : {}),
      ...(canary.samples.length === 0 && !warning ? { note: none } : {}),
    };
  }

  /** Cumulative counts of both revisions at the same time, for a sequential test. */
  private async count(
    { subject, metric, at, due, countFrom: since = Date.parse(due.since) }: Request,
    target: PrometheusTarget,
    signal: AbortSignal,
  ): Promise<Reading> {
    const { namespace, revision, stableRevision } = subject;
    if (stableRevision === undefined) throw new Error('there is no stable revision to compare with yet');
    if (at <= since) {
      const note = `the test starts at ${new Date(since).toISOString()}`;
      return { type: 'Counts', since, at, canary: NO_COUNTS, stable: NO_COUNTS, note };
    }
    const [canary, stable] = [revision, stableRevision].map((of) => ({ namespace, revision: of }));
    const ask = async (query: string, time: number) => {
      const { samples, warning } = await this.query(target, query, time, subject, signal, MAX_COUNTS);
      if (warning) throw new OutgoingError(`the result is incomplete: ${warning}`);
      return samples;
    };
    const request = { spec: metric.spec, labels: target, canary: canary!, stable: stable!, since, at };
    return this.counts.read(request, ask);
  }

  private async query(
    target: PrometheusTarget,
    query: string,
    at: number,
    { namespace }: Subject,
    signal: AbortSignal,
    maxSeries = MAX_SERIES,
  ): Promise<Answer> {
    const [authorization, tls] = await Promise.all([
      this.secrets.authorization(namespace, target.auth, signal),
      this.secrets.tls(namespace, target.tls, signal),
    ]);
    const timeoutMs = durationMs(target.timeout);
    const response = await post(
      {
        url: `${target.url.replace(/\/$/, '')}/api/v1/query`,
        target: `Prometheus at ${target.url}`,
        headers: {
          ...target.headers,
          ...authorization,
          accept: 'application/json',
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: new URLSearchParams({
          query,
          time: (at / 1000).toFixed(3),
          timeout: `${timeoutMs}ms`,
        }).toString(),
        timeoutMs,
        tls,
      },
      signal,
    );
    return samplesOf(response, target, maxSeries);
  }
}

function queryOf({ metric }: Request, target: PrometheusTarget, names: Subject): string {
  return builtInQuery(metric.spec, target, names) ?? substitute(metric.spec.query ?? '', names);
}

function samplesOf(
  { status, text }: { status: number; text: string },
  target: PrometheusTarget,
  maxSeries: number,
): Answer {
  const where = `Prometheus at ${target.url}`;
  const parsed = answer.safeParse(json(text));
  if (!parsed.success)
    throw new OutgoingError(`${where} returned status ${status} and no Prometheus response`);
  if (parsed.data.status === 'error') throw new OutgoingError(`${where}: ${clip(parsed.data.error)}`);
  const { data, warnings } = parsed.data;
  const warning = warnings?.[0] ? { warning: clip(warnings[0]) } : {};
  if (data.resultType === 'scalar')
    return { samples: [{ labels: {}, value: scalar(data.result) }], ...warning };
  if (data.resultType !== 'vector') {
    throw new OutgoingError(
      `the query returns a ${data.resultType}; it must return an instant vector or a scalar`,
    );
  }
  const series = data.result;
  if (series.length > maxSeries) {
    throw new OutgoingError(
      `the query returns ${series.length} series, more than ${maxSeries}: aggregate them`,
    );
  }
  const histogram = series.some(({ value }) => value === undefined);
  if (histogram) throw new OutgoingError('the query returns a native histogram; use histogram_quantile');
  return { samples: series.map((each) => sampleOf(each, target)), ...warning };
}

/** The query must select a revision, otherwise canary and stable have the same series. */
function sampleOf(
  { metric, value }: { metric: Record<string, string>; value?: [number, string] },
  { revisionLabel }: PrometheusTarget,
): Sample {
  const { [revisionLabel]: _revision, ...labels } = metric;
  return { labels, value: scalar(value) };
}

/** Prometheus formats numbers like Go: `+Inf`, `-Inf`, `NaN`. */
function scalar([, text]: [number, string] = [0, 'NaN']): number {
  return Number(text.replace('Inf', 'Infinity'));
}

function noRequests({
  successRate,
  latency,
  burnRate,
  jobFailureRate,
  jobDuration,
}: Request['metric']['spec']): string {
  const jobs = jobFailureRate ?? jobDuration;
  if (jobs) {
    const of = jobs.queue ? ` of ${jobs.queue}` : '';
    return `no data, or fewer than ${jobs.minJobs} attempts at jobs${of} in ${jobs.window}`;
  }
  const short = burnRate && { ...burnRate, window: BURN_RATES[burnRate.preset].short };
  const asked = successRate ?? latency ?? short;
  const what = asked?.operation ? ` of ${asked.operation}` : '';
  return `no data, or fewer than ${asked?.minRequests} requests${what} in ${asked?.window}`;
}

function clip(text: string): string {
  return text.length <= MAX_WORDS ? text : `${text.slice(0, MAX_WORDS)}…`;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
