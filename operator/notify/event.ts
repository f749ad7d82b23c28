/** What is told of a delivery. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { DeliveryEventType } from '../api/v1alpha1/spec/notifications.js';

export interface DeliveryEvent {
  type: DeliveryEventType;
  revision: string;
  /** When it happened, as the status has it: ISO 8601. With the revision and the type it makes the event that one. */
  at: string;
  image?: string;
  /** The revision that served before. */
  from?: string;
  commit?: string;
  /** Why, for people. Holds no secret, as nothing in a status does. */
  reason?: string;
  /** The field manager that asked for it; the operator where nobody did. */
  by?: string;
}

/** The same for the same event, whoever tells of it and how often. */
export function idempotencyKey(api: PcfApi, { revision, type, at }: DeliveryEvent): string {
  return `${api.metadata.uid}/${revision}/${type}/${at}`;
}

const WORDS: Record<DeliveryEventType, string> = {
  Started: 'is being delivered',
  Promoted: 'was promoted',
  Aborted: 'was aborted',
  Undone: 'was undone',
  Failed: 'requires manual action',
};

/** One sentence, without markup. */
export function headline(api: PcfApi, { type, revision, reason }: DeliveryEvent): string {
  const { namespace, name } = api.metadata;
  return `${namespace}/${name}: ${revision} ${WORDS[type]}${reason ? `: ${reason}` : ''}`;
}
