/**
 * Queries of `windows.freezeWhen`, such as a remaining error budget: a value below its bound is a freeze, and so is a
 * missing one. They use the providers and the scheduler of analyses. The status has the first measurement of each
 * outcome: another value with the same outcome, which changes with each measurement, writes nothing. A call starts due
 * queries and does not wait.
 */
import { createHash } from 'node:crypto';
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { AnalysisSpec } from '../api/v1alpha1/spec/analysis.js';
import type { PrometheusTarget } from '../api/v1alpha1/spec/analysis-sources.js';
import type { FreezeQuery } from '../api/v1alpha1/spec/windows.js';
import type { FreezeMeasurement } from '../api/v1alpha1/status/windows.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import { keyOf } from '../runtime/store.js';
import type { Measurement } from './analysis-model.js';
import { CLOCK_SKEW_MS, pauseLeftMs } from './due.js';
import { MAX_DETAIL } from './measurement-record.js';
import type { Request } from './providers/provider.js';
import type { AnalysisScheduler } from './scheduler.js';

/** Time for a measurement that is due to start, and to be recorded. */
const GRACE_MS = 30_000;
/** Keys of the scheduler end with it: a PcfApi has its analysis under its own key. */
const SUFFIX = '/freezeWhen';

export interface FreezeOutcome {
  /** New `status.windows.freezeWhen`: of each query with a measurement, the first one with the present outcome. */
  measured: FreezeMeasurement[];
  /** Queries that freeze now. */
  frozen: FrozenQuery[];
  /** Delay of the next call without an event. In milliseconds. */
  requeueAfterMs?: number;
}

interface FrozenQuery {
  name: string;
  reason: string;
  opensWhen: string;
  /** This process has no measurement yet, so it is unknown for some milliseconds whether the query freezes. */
  isUnmeasured?: true;
}

/** A query with its measurements. */
interface Current {
  query: FreezeQuery;
  digest: string;
  /** The last measurement that is known. */
  last?: FreezeMeasurement;
  /** The first measurement with the outcome of the last one. */
  reported?: FreezeMeasurement;
  /** Whether the last one was measured by this process. */
  isRecent: boolean;
  /** Milliseconds until the next measurement. */
  waitMs: number;
}

/** The key of the PcfApi in the work queue to a key of the scheduler. */
export function workQueueKey(key: string): string {
  return key.endsWith(SUFFIX) ? key.slice(0, -SUFFIX.length) : key;
}

export class FreezeQueries {
  /** The last measurements of this process, by key of the scheduler. The status has older ones. */
  private readonly latest = new Map<string, readonly FreezeMeasurement[]>();

  constructor(private readonly scheduler: Pick<AnalysisScheduler, 'finished' | 'schedule' | 'forget'>) {}

  /** `now`: milliseconds since the epoch. */
  look(api: PcfApi, now: number): FreezeOutcome {
    const { freezeWhen = [], prometheus } = api.spec.windows ?? {};
    const key = `${keyOf(api)}${SUFFIX}`;
    if (!prometheus) return { measured: [], frozen: [] };
    const current = freezeWhen.map((query) => this.currentOf(api, key, query, prometheus, now));
    this.latest.set(
      key,
      current.flatMap(({ last, isRecent }) => (last && isRecent ? last : [])),
    );
    const due = current.filter((one) => one.waitMs === 0);
    this.scheduler.schedule(
      key,
      due.map(({ query, digest, last }) => requestOf(api, prometheus, query, digest, last, now)),
      freezeWhen.map(({ name }) => name),
    );
    const validity = current.map(({ query, last }) => validMs(query, prometheus, last, now));
    const waits = [...current.map((one) => one.waitMs), ...validity].filter((wait) => wait > 0);
    return {
      measured: current.flatMap(({ reported }) => reported ?? []),
      frozen: current.flatMap((one, index) => frozenBy(one, validity[index]!) ?? []),
      ...(waits.length > 0 ? { requeueAfterMs: Math.min(...waits) } : {}),
    };
  }

  /** No query is needed, or no longer. `key`: key of the PcfApi in the work queue. */
  forget(key: string): void {
    this.scheduler.forget(`${key}${SUFFIX}`);
    this.latest.delete(`${key}${SUFFIX}`);
  }

  private currentOf(
    api: PcfApi,
    key: string,
    query: FreezeQuery,
    prometheus: PrometheusTarget,
    now: number,
  ): Current {
    const digest = digestOf(query, prometheus);
    const isSame = (one: FreezeMeasurement) => one.name === query.name && one.digest === digest;
    const recorded = api.status?.windows?.freezeWhen?.find(isSame);
    const recent = this.latest.get(key)?.find(isSame);
    const known = recent ?? recorded;
    const result = this.scheduler
      .finished(key, digest)
      .find(({ name, since }) => name === query.name && since === sinceOf(known));
    const last = result ? measurementOf(result, digest) : known;
    const reported = recorded?.outcome === last?.outcome ? recorded : last;
    const isRecent = (result ?? recent) !== undefined;
    return { query, digest, last, reported, isRecent, waitMs: waitMs(query, last, now) };
  }
}

/** Everything that decides the outcome. After an edit, an earlier measurement does not count. */
function digestOf({ query, below }: FreezeQuery, prometheus: PrometheusTarget): string {
  return createHash('sha256').update(canonicalJson({ query, below, prometheus })).digest('hex').slice(0, 12);
}

function sinceOf(last: FreezeMeasurement | undefined): string {
  return last?.measuredAt ?? '';
}

/** Milliseconds until the next measurement. */
function waitMs({ interval }: FreezeQuery, last: FreezeMeasurement | undefined, now: number): number {
  if (!last) return 0;
  return pauseLeftMs(last.measuredAt, last.outcome, durationMs(interval), now);
}

/**
 * Milliseconds for which a value at its bound still counts: until the next one had the time to arrive. A stale value,
 * such as the one before a long restart, is none.
 */
function validMs(
  { interval }: FreezeQuery,
  { timeout }: PrometheusTarget,
  last: FreezeMeasurement | undefined,
  now: number,
): number {
  if (last?.outcome !== 'Success') return 0;
  const ageMs = now - Date.parse(last.measuredAt);
  if (ageMs < -CLOCK_SKEW_MS) return 0;
  return Math.max(0, durationMs(interval) + durationMs(timeout) + GRACE_MS - ageMs);
}

function measurementOf({ name, at, outcome, value, detail }: Measurement, digest: string): FreezeMeasurement {
  return {
    ...{ name, digest, outcome, measuredAt: at },
    ...(value === undefined ? {} : { value }),
    ...(outcome === 'Success' || detail === undefined ? {} : { detail: detail.slice(0, MAX_DETAIL) }),
  };
}

function frozenBy(
  { query: { name, below }, last, reported, isRecent }: Current,
  leftMs: number,
): FrozenQuery | undefined {
  if (last?.outcome === 'Success' && leftMs > 0) return undefined;
  const opensWhen = `a value of ${name} of at least ${below}`;
  // Before a restart it was open: the value of that time is too old, and says nothing about the present one.
  if (!last || (last.outcome === 'Success' && !isRecent))
    return { name, opensWhen, reason: 'not measured yet', isUnmeasured: true };
  if (last.outcome === 'Failure') return { name, opensWhen, reason: `${reported?.value} is below ${below}` };
  const problem = last.outcome === 'Success' ? `the last one is of ${last.measuredAt}` : reported?.detail;
  return { name, opensWhen, reason: `no value: ${problem ?? 'no data'}` };
}

function requestOf(
  api: PcfApi,
  prometheus: PrometheusTarget,
  { name, query, below, interval }: FreezeQuery,
  digest: string,
  last: FreezeMeasurement | undefined,
  now: number,
): Request {
  const { namespace, name: apiName } = api.metadata;
  const spec = { name, query, min: below };
  const intervalMs = durationMs(interval);
  const analysis: AnalysisSpec = {
    ...{ interval, initialDelay: '0s', count: 1, failureLimit: 0, inconclusiveLimit: 0 },
    prometheus,
    metrics: [spec],
  };
  return {
    ...{ api, analysis, at: now },
    subject: { namespace, name: apiName, revision: digest, image: api.spec.image, weight: 0 },
    due: { name, since: sinceOf(last), number: 0 },
    metric: {
      ...{ name, spec, intervalMs, initialDelayMs: 0, count: 1, failureLimit: 0, inconclusiveLimit: 0 },
      timeoutMs: durationMs(prometheus.timeout),
      ...{ continuous: true, steps: 1 },
    },
  };
}
