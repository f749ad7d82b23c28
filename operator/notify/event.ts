/** An event of a delivery. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { DeliveryEventType } from '../api/v1alpha1/spec/notifications.js';

export interface DeliveryEvent {
  type: DeliveryEventType;
  revision: string;
  /**
   * Time of the event from the status, in ISO 8601. It identifies the event together with revision and type.
   */
  at: string;
  image?: string;
  /** The previous stable revision. */
  from?: string;
  commit?: string;
  /** Reason, for users. Contains no secret, like all texts of a status. */
  reason?: string;
  /** The field manager that caused it; the operator if it decided. */
  by?: string;
  /** The wait that approval links name, with their end; undefined if no links are to be sent. */
  approval?: { id: string; linksExpireAt: string };
}

/** Unique and stable key of an event. */
export function idempotencyKey(api: PcfApi, { revision, type, at }: DeliveryEvent): string {
  return `${api.metadata.uid}/${revision}/${type}/${at}`;
}

const WORDS: Record<DeliveryEventType, string> = {
  Started: 'is being delivered',
  Promoted: 'was promoted',
  Aborted: 'was aborted',
  Undone: 'was undone',
  Failed: 'requires manual action',
  ApprovalRequested: 'waits for its manual promotion',
};

/** One sentence, without markup. */
export function headline(api: PcfApi, { type, revision, reason }: DeliveryEvent): string {
  const { namespace, name } = api.metadata;
  return `${namespace}/${name}: ${revision} ${WORDS[type]}${reason ? `: ${reason}` : ''}`;
}
