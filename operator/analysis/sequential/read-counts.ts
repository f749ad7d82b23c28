/** Reads the counts of both revisions from Prometheus, for a sequential test. */
import { LRUCache } from 'lru-cache';
import type { MetricSpec } from '../../api/v1alpha1/spec/analysis.js';
import type { CountsReading, Sample, Windows } from '../analysis-model.js';
import type { Labels, Selection } from '../built-in.js';
import {
  countsQuery,
  discoveredQuery,
  sampleTimesQuery,
  scrapedSinceQuery,
  TIME_LABEL,
} from './counts-query.js';

/** Samples of an instant query at this time, in milliseconds since the epoch. Throws if the result is incomplete. */
export type Ask = (query: string, at: number) => Promise<Sample[]>;

export interface CountsRequest {
  spec: MetricSpec;
  labels: Labels;
  canary: Selection;
  stable: Selection;
  /** Start of the test, and time of the measurement, in milliseconds since the epoch. */
  since: number;
  at: number;
}

/** The time of a test is read in parts, so the cost of a query does not grow with it. */
const PART_MS = 30 * 60_000;
/** Prometheus itself ignores samples that are older than 5 minutes, so scrape intervals are shorter. */
const SETTLED_WITHIN_MS = 10 * 60_000;
const MAX_TESTS = 4_000;
/** About 100 MB. With `perOperation` a test can have thousands of samples. */
const MAX_SAMPLES = 500_000;

interface Known {
  until: number;
  counts: Sample[];
}

/** Starts of both windows, in milliseconds since the epoch. */
interface Start {
  wide: number;
  /** Undefined until all processes are scraped. */
  narrow?: number;
}

export class CountsReader {
  /** Counts of the parts that are read. After a restart of the operator they are read again. */
  private readonly parts = new LRUCache<string, Known>({
    ...{ max: MAX_TESTS, maxSize: MAX_SAMPLES },
    sizeCalculation: ({ counts }) => counts.length + 1,
  });
  private readonly starts = new LRUCache<string, Start>({ max: MAX_TESTS });
  /** Results of {@link discovered}, once they are final. */
  private readonly discoveries = new LRUCache<string, number>({ max: MAX_TESTS });

  /**
   * Prometheus scrapes the pods one after the other, so the counters of both revisions are of different times, up
   * to a scrape interval apart. The wide window contains the narrow window of the other revision: it starts with
   * the last samples before the start, and ends with the newest ones. The narrow window starts with the first
   * samples after the start, and ends with those that were taken before the newest ones of the other revision.
   * All windows start later if a process was discovered later: then each of them has all processes.
   */
  async read(requested: CountsRequest, ask: Ask): Promise<CountsReading> {
    const { since, at, canary, stable } = requested;
    const request = { ...requested, since: await this.discovered(requested, ask) };
    const [mine, theirs] = await Promise.all([
      sampleTimes(request, canary, at, ask),
      sampleTimes(request, stable, at, ask),
    ]);
    const [ofCanary, ofStable] = await Promise.all([
      this.windows(request, canary, [mine?.mean, theirs?.oldest], ask),
      this.windows(request, stable, [theirs?.mean, mine?.oldest], ask),
    ]);
    return { type: 'Counts', since, at, canary: ofCanary, stable: ofStable };
  }

  /** The start of the test, or when Prometheus discovered the last process that was started before it. */
  private async discovered(request: CountsRequest, ask: Ask): Promise<number> {
    const { labels, canary, stable, since, at } = request;
    const id = JSON.stringify([canary, stable, since]);
    const known = this.discoveries.get(id);
    if (known !== undefined || at <= since) return known ?? since;
    const part = { from: since, to: Math.min(at, since + SETTLED_WITHIN_MS), isFirst: true };
    const times = await Promise.all(
      [canary, stable].map((of) => ask(discoveredQuery(labels, of, part), part.to)),
    );
    const last = Math.max(since, ...times.flat().map(({ value }) => Math.round(value * 1000)));
    if (part.to < at) this.discoveries.set(id, last);
    return last;
  }

  private async windows(
    request: CountsRequest,
    of: Selection,
    [wideEnd = request.at, narrowEnd]: [number | undefined, number | undefined],
    ask: Ask,
  ): Promise<Windows> {
    const { since, at } = request;
    const wide = await this.increase(request, of, [since, at], ask);
    const start = await this.startOf(request, of, ask);
    const { narrow: from = Number.POSITIVE_INFINITY } = start;
    const hasNarrow = narrowEnd !== undefined && narrowEnd > from;
    return {
      wide,
      wideSeconds: (wideEnd - start.wide) / 1000,
      narrow: hasNarrow ? await this.increase(request, of, [from, narrowEnd], ask) : [],
    };
  }

  /** A revision without earlier requests is counted from the start: its counters begin at 0. */
  private async startOf(request: CountsRequest, of: Selection, ask: Ask): Promise<Start> {
    const { labels, since, at } = request;
    const id = JSON.stringify([of, since]);
    const known = this.starts.get(id);
    if (known) return known;
    const earlier = await sampleTimes(request, of, since, ask);
    const part = { from: since, to: Math.min(at, since + SETTLED_WITHIN_MS), isFirst: true };
    const [scraped] = earlier ? await ask(scrapedSinceQuery(labels, of, part), part.to) : [];
    const narrow = earlier ? scraped && scraped.value * 1000 : since;
    const start = { wide: earlier?.mean ?? since, ...(narrow === undefined ? {} : { narrow }) };
    if (narrow !== undefined) this.starts.set(id, start);
    return start;
  }

  private async increase(
    { spec, labels }: CountsRequest,
    of: Selection,
    [start, end]: [number, number],
    ask: Ask,
  ): Promise<Sample[]> {
    const id = JSON.stringify([spec, of, start]);
    const read = (from: number, to: number) =>
      ask(countsQuery(spec, labels, of, { from, to, isFirst: from === start }), to);
    let { until, counts }: Known = this.parts.get(id) ?? { until: start, counts: [] };
    // The last part is read again, so that samples that arrive late are counted.
    while (end - until > 2 * PART_MS) {
      counts = sumOf(counts, await read(until, until + PART_MS));
      until += PART_MS;
      this.parts.set(id, { until, counts });
    }
    return sumOf(counts, await read(until, end));
  }
}

/** In milliseconds since the epoch; undefined without samples. */
async function sampleTimes({ labels }: CountsRequest, of: Selection, at: number, ask: Ask) {
  const times = await ask(sampleTimesQuery(labels, of), at);
  const time = (name: string) => times.find(({ labels }) => labels[TIME_LABEL] === name)?.value;
  const [oldest, mean] = [time('oldest'), time('mean')];
  return oldest === undefined || mean === undefined
    ? undefined
    : { oldest: oldest * 1000, mean: mean * 1000 };
}

/** Series of both, those with the same labels added up. */
function sumOf(one: readonly Sample[], other: readonly Sample[]): Sample[] {
  const sums = new Map<string, Sample>();
  for (const { labels, value } of [...one, ...other]) {
    const id = JSON.stringify(Object.entries(labels).toSorted());
    sums.set(id, { labels, value: value + (sums.get(id)?.value ?? 0) });
  }
  return [...sums.values()];
}
