import type { DeliveryRecord } from './status.js';

/** Time of the first traffic of the revision that failed. `before`: earlier records, newest first. */
export function startOfFailure(
  record: DeliveryRecord,
  before: readonly DeliveryRecord[],
): string | undefined {
  if (record.outcome === 'Aborted' || record.outcome === 'RolledBack') return record.firstTrafficAt;
  const undone = undoneDelivery(record, before);
  return undone?.firstTrafficAt ?? undone?.finishedAt;
}

/** The delivery that an undo reverted: the promotion before it. */
export function undoneDelivery(
  { outcome }: DeliveryRecord,
  before: readonly DeliveryRecord[],
): DeliveryRecord | undefined {
  if (outcome !== 'Undone') return undefined;
  return before.find((earlier) => earlier.outcome === 'Promoted' || earlier.outcome === 'Undone');
}
