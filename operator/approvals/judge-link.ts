/** Whether an authentic link can still be used, according to the state of its PcfApi. Pure. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { approvalId, deliveryId, fullId, stepId } from '../delivery/request-ids.js';
import type { LinkClaims } from './token.js';

/** Annotations of requests, see `Requests`. */
export interface RequestNames {
  promote: string;
  abort: string;
}

/** What a usable link does, for the page. */
export interface OpenLink {
  state: 'Open';
  action: LinkClaims['action'];
  namespace: string;
  name: string;
  revision: string;
  image?: string;
  stableImage?: string;
  /** From 1. */
  step: number;
  of: number;
  /** Effective weight in percent. */
  weight: number;
  /** RFC 3339 time. */
  expiresAt: string;
}

/** `message`: why, for users. */
export interface ClosedLink {
  state: 'Expired' | 'Used' | 'Blocked';
  message: string;
}

/**
 * A link is single use, because its request ends the wait that it names. `now` is in milliseconds since the epoch, of
 * the system clock. `api`: undefined if no PcfApi has the uid.
 */
export function judgeLink(
  api: PcfApi | undefined,
  claims: LinkClaims,
  requests: RequestNames,
  now: number,
): OpenLink | ClosedLink {
  if (now >= claims.expiresAt * 1_000 || isExpired(api, claims))
    return { state: 'Expired', message: `The link expired at ${textOf(claims.expiresAt)}.` };
  if (!api || api.metadata.deletionTimestamp)
    return { state: 'Used', message: 'The PcfApi of the link was deleted.' };
  const used = usedBy(api, claims, requests);
  if (used) return { state: 'Used', message: used };
  if (api.spec.paused && claims.action === 'approve')
    return { state: 'Blocked', message: 'The delivery is paused by spec.paused. Resume it first.' };
  return openLink(api, claims);
}

/** Whether the operator has recorded that the links of this wait expired: the system clock may have been set back since. */
function isExpired(api: PcfApi | undefined, { approval }: LinkClaims): boolean {
  const { delivery = {} } = api?.status ?? {};
  return approvalId(delivery) === approval && delivery.approval?.linksExpired === true;
}

/** Why its wait has ended; undefined while it lasts. */
function usedBy(api: PcfApi, claims: LinkClaims, requests: RequestNames): string | undefined {
  const { metadata, spec, status = {} } = api;
  const { delivery = {} } = status;
  const { annotations = {} } = metadata;
  if (approvalId(delivery) !== claims.approval) return endedWait(api, claims);
  if (annotations[requests.abort] === deliveryId(delivery)) return 'The delivery was aborted already.';
  const promote = annotations[requests.promote];
  if (claims.action === 'approve' && promote === claims.approval) return 'The step was approved already.';
  // The annotation has one value: a link must not replace a promotion that waits for a window, least of all a full one.
  if (claims.action === 'approve' && promote && [stepId(delivery), fullId(delivery)].includes(promote))
    return 'The step was promoted already.';
  if (!spec.notifications?.approvalLinks || delivery.approval?.linksExpireAt === undefined)
    return 'Approval links were disabled after it was sent.';
  return undefined;
}

function endedWait({ status = {} }: PcfApi, { approval }: LinkClaims): string {
  const { delivery = {} } = status;
  const [id, , step] = approval.split('/');
  const isSameDelivery = deliveryId(delivery) === id;
  const approved = isSameDelivery && delivery.approvals?.find((one) => String(one.step) === step);
  if (approved) return `The step was approved already, by ${approved.by} at ${approved.at}.`;
  if (delivery.failed?.revision === id?.split('@')[0])
    return `The delivery was aborted: ${delivery.failed?.message}.`;
  return 'The delivery no longer waits at this step: the link was used already, or the delivery has continued without it.';
}

function openLink({ metadata, status = {} }: PcfApi, { action, expiresAt }: LinkClaims): OpenLink {
  const { updateRevision = '', updateImage, stableImage, step, traffic } = status;
  return {
    ...{ state: 'Open', action, namespace: metadata.namespace, name: metadata.name },
    revision: updateRevision,
    ...(updateImage ? { image: updateImage } : {}),
    ...(stableImage ? { stableImage } : {}),
    ...{ step: (step?.index ?? 0) + 1, of: step?.of ?? 1, weight: traffic?.effectiveWeight ?? 0 },
    expiresAt: textOf(expiresAt),
  };
}

function textOf(seconds: number): string {
  return `${new Date(seconds * 1_000).toISOString().slice(0, 19)}Z`;
}
