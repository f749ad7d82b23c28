/** The history of deliveries, from which the delivery figures are computed. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { DeliveryRecord } from '../api/v1alpha1/status.js';
import type { Decision, DeliveryPlan } from '../delivery/delivery-plan.js';
import type { Revision } from '../resources/revision.js';
import { decidingManager } from './attribution.js';
import type { Observed } from './observed.js';

const MAX_RECORDS = 20;

interface Ending {
  outcome: DeliveryRecord['outcome'];
  reason?: string;
}

/** The deliveries that finish with a plan. */
export function finishedDeliveries(
  observed: Observed,
  { decisions }: DeliveryPlan,
  now: number,
): DeliveryRecord[] {
  return decisions.flatMap((decision) => {
    const ending = endingOf(decision, observed.delivery.position);
    const revision = ending && observed.revisions.get(decision.revision);
    if (!revision) return [];
    const by = decidingManager(observed, decision);
    return [{ ...record(observed.delivery.position, revision, ending, now), ...(by ? { by } : {}) }];
  });
}

/** All retained records, newest first; undefined if there is none. */
export function history(
  { status }: PcfApi,
  finished: readonly DeliveryRecord[],
): DeliveryRecord[] | undefined {
  const records = [...finished, ...(status?.history ?? [])].slice(0, MAX_RECORDS);
  return records.length > 0 ? records : undefined;
}

function endingOf(decision: Decision, { firstTrafficAt }: DeliveryPosition): Ending | undefined {
  switch (decision.type) {
    case 'Promoted':
      return { outcome: decision.undone ? 'Undone' : 'Promoted' };
    case 'Aborted':
      return { outcome: 'Aborted', reason: decision.reason };
    case 'Cancelled':
      return { outcome: firstTrafficAt ? 'RolledBack' : 'Cancelled' };
    case 'Superseded':
      return { outcome: 'Superseded' };
    default:
      return undefined;
  }
}

function record(
  { startedAt, firstTrafficAt, approvals }: DeliveryPosition,
  { name, number, image, source }: Revision,
  { outcome, reason }: Ending,
  now: number,
): DeliveryRecord {
  const finishedAt = new Date(now).toISOString();
  return {
    revision: name,
    number,
    image,
    ...(source?.commit ? { commit: source.commit } : {}),
    ...(source?.committedAt ? { committedAt: source.committedAt } : {}),
    startedAt: startedAt ?? finishedAt,
    ...(firstTrafficAt ? { firstTrafficAt } : {}),
    finishedAt,
    outcome,
    ...(reason ? { reason } : {}),
    ...(approvals ? { approvals } : {}),
  };
}
