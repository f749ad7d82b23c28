/** Delivery metrics of the retained records, with the definitions of the Prometheus metrics. Pure. */
import { startOfFailure } from '../../api/v1alpha1/start-of-failure.js';
import type { DeliveryRecord } from '../../api/v1alpha1/status.js';

export interface DeliveryFigures {
  /** Number of records, and start of the oldest. */
  deliveries: number;
  since?: string;
  promoted: number;
  undone: number;
  /** Medians in seconds; undefined without data. */
  leadTimeSeconds?: number;
  durationSeconds?: number;
  restoreSeconds?: number;
  /** Aborted, rolled back and undone deliveries among those that reached a verdict, 0 to 1. */
  changeFailureRate?: number;
}

/** `history`: newest first. */
export function figures(history: readonly DeliveryRecord[]): DeliveryFigures {
  const count = (...outcomes: DeliveryRecord['outcome'][]) =>
    history.filter(({ outcome }) => outcomes.includes(outcome)).length;
  const promoted = history.filter(({ outcome }) => outcome === 'Promoted');
  const judged = count('Aborted', 'RolledBack', 'Promoted');
  const since = history.at(-1)?.startedAt;
  return {
    deliveries: history.length,
    ...(since ? { since } : {}),
    promoted: promoted.length,
    undone: count('Undone', 'RolledBack'),
    leadTimeSeconds: median(
      promoted.flatMap(({ committedAt, finishedAt }) =>
        committedAt ? [seconds(committedAt, finishedAt)] : [],
      ),
    ),
    durationSeconds: median(promoted.map(({ startedAt, finishedAt }) => seconds(startedAt, finishedAt))),
    restoreSeconds: median(
      history.flatMap((record, index) => {
        const from = startOfFailure(record, history.slice(index + 1));
        return from ? [seconds(from, record.finishedAt)] : [];
      }),
    ),
    ...(judged > 0
      ? { changeFailureRate: Math.min(1, count('Aborted', 'RolledBack', 'Undone') / judged) }
      : {}),
  };
}

function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length % 2 === 1) return sorted[middle];
  return sorted.length === 0 ? undefined : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function seconds(from: string, to: string): number {
  return Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
}
