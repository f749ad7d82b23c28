import type { MetricsBucket } from './delivery-metrics.types.js';

const DAY_MS = 86_400_000;

export interface BucketRange {
  /** Start of the whole bucket in milliseconds since the epoch, as the SQL statements return it. */
  start: number;
  /** The part of the bucket within the requested time range. */
  from: Date;
  to: Date;
}

/** The buckets that overlap a time range, oldest first; undefined if there are more than `max`. */
export function bucketsIn(
  from: Date,
  to: Date,
  bucket: MetricsBucket,
  max: number,
): BucketRange[] | undefined {
  const ranges: BucketRange[] = [];
  for (let start = startOf(from, bucket); start < to.getTime(); ) {
    if (ranges.length === max) return undefined;
    const end = endOf(start, bucket);
    const range = { from: Math.max(start, from.getTime()), to: Math.min(end, to.getTime()) };
    ranges.push({ start, from: new Date(range.from), to: new Date(range.to) });
    start = end;
  }
  return ranges;
}

/** Like `date_trunc` in UTC. */
function startOf(at: Date, bucket: MetricsBucket): number {
  const day = Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), bucket === 'MONTH' ? 1 : at.getUTCDate());
  if (bucket !== 'WEEK') return day;
  const sinceMonday = (new Date(day).getUTCDay() + 6) % 7;
  return day - sinceMonday * DAY_MS;
}

function endOf(start: number, bucket: MetricsBucket): number {
  if (bucket !== 'MONTH') return start + DAY_MS * (bucket === 'WEEK' ? 7 : 1);
  const first = new Date(start);
  return Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 1);
}

export function daysIn({ from, to }: { from: Date; to: Date }): number {
  return (to.getTime() - from.getTime()) / DAY_MS;
}
