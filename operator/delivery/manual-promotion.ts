/**
 * The wait of a step for its manual promotion. If it is announced, it is recorded in the position: it is announced once,
 * and its approval links are valid while it is recorded and not answered.
 */
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { DeliveryContext } from './context.js';
import type { Decision } from './delivery-plan.js';
import { approvalId, stepId } from './request-ids.js';

/** Maximum number in the schema of the status. */
const MAX_APPROVALS = 64;

/** Whether the current step is promoted by `kubectl pcf promote`, or with an approval link. */
export function isPromotionRequested({ position, spec: { requests } }: DeliveryContext): boolean {
  return requests.promote === stepId(position) || isApprovedByLink(position, requests.promote);
}

/** The request of a link names one wait, so a link of an earlier wait at this step promotes nothing. */
function isApprovedByLink(position: DeliveryPosition, promote: string | undefined): boolean {
  return promote !== undefined && promote === approvalId(position);
}

/** Records that the step waits, if that is to be announced. `isAwaited`: only the manual promotion is missing. */
export function recordWait(context: DeliveryContext, isAwaited: boolean): DeliveryPosition {
  const { position, spec, now } = context;
  const { announceApprovals } = spec;
  const { approval, ...rest } = position;
  if (!announceApprovals) return rest;
  const { linksExpireAfterMs } = announceApprovals;
  const areLinksMissing = linksExpireAfterMs !== undefined && approval?.linksExpireAt === undefined;
  if ((approval && !areLinksMissing) || !isAwaited) return position;
  const linksExpireAt =
    linksExpireAfterMs === undefined
      ? {}
      : { linksExpireAt: new Date(systemNow(context) + linksExpireAfterMs).toISOString() };
  return { ...rest, approval: { since: new Date(now).toISOString(), ...linksExpireAt } };
}

/**
 * Removes the links of the wait if the spec has none, so that they remain revoked after links are enabled again: that
 * wait has another id. The wait remains, because a link may have approved it before.
 */
export function revokeLinks({ position, spec }: DeliveryContext): DeliveryPosition {
  const { approval } = position;
  const areEnabled = spec.announceApprovals?.linksExpireAfterMs !== undefined;
  if (approval?.linksExpireAt === undefined || areEnabled) return position;
  return { ...position, approval: { since: approval.since } };
}

/**
 * Records that the links of the wait have expired: by the system clock, which their page uses and which can be set back,
 * or by the time since the start of the wait, which a change of the system clock does not affect.
 */
export function expireLinks(context: DeliveryContext): DeliveryPosition {
  const { position } = context;
  const { approval } = position;
  if (!approval?.linksExpireAt || approval.linksExpired || linksLeftMs(context) > 0) return position;
  return { ...position, approval: { ...approval, linksExpired: true } };
}

/** Time until the links of the wait expire. In milliseconds. */
function linksLeftMs(context: DeliveryContext): number {
  const { position, spec, now } = context;
  const { since, linksExpireAt, linksExpired } = position.approval!;
  if (linksExpired) return 0;
  const { linksExpireAfterMs = 0 } = spec.announceApprovals ?? {};
  return Math.min(
    Date.parse(linksExpireAt!) - systemNow(context),
    Date.parse(since) + linksExpireAfterMs - now,
  );
}

function systemNow({ observation, now }: DeliveryContext): number {
  return observation.systemNow ?? now;
}

export function withoutWait({ approval: _, ...rest }: DeliveryPosition): DeliveryPosition {
  return rest;
}

/** The announcement of a wait that `position` records and `before` does not. */
export function announcedWait(
  before: DeliveryPosition,
  { update, step = 0, approval }: DeliveryPosition,
  of: number,
): Decision[] {
  if (!approval || approval.since === before.approval?.since) return [];
  return [{ type: 'ApprovalRequested', revision: update!, step, of }];
}

/** Adds the approval to the position if the step was promoted with a link. */
export function recordApproval({ position, spec, now }: DeliveryContext): {
  position: DeliveryPosition;
  by?: string;
} {
  const { promote, decidedBy = 'unknown' } = spec.requests;
  const { step = 0, approvals = [] } = position;
  if (!isApprovedByLink(position, promote)) return { position: withoutWait(position) };
  const approval = { step, by: decidedBy, at: new Date(now).toISOString() };
  return {
    position: { ...withoutWait(position), approvals: [...approvals, approval].slice(-MAX_APPROVALS) },
    by: decidedBy,
  };
}

/** The object of "waits for", and the time until it changes. In milliseconds. */
export function promotionWait(context: DeliveryContext): { waitingFor: string; changesInMs?: number } {
  const manual = 'manual promotion: kubectl pcf promote';
  const { linksExpireAt } = context.position.approval ?? {};
  if (linksExpireAt === undefined) return { waitingFor: manual };
  const leftMs = linksLeftMs(context);
  const end = `${linksExpireAt.slice(0, 19)}Z`;
  if (leftMs <= 0) return { waitingFor: `${manual} (its approval links expired at ${end})` };
  return { waitingFor: `${manual}, or an approval link until ${end}`, changesInMs: leftMs };
}
