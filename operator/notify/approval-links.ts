/** Links in notifications of type ApprovalRequested. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { DeliveryEvent } from './event.js';

export interface ApprovalLinks {
  approve: string;
  abort: string;
  /** RFC 3339 time. */
  expireAt: string;
}

/** The keys of links cannot be used until their Secret, or the permission to read or write it, is corrected. */
export class LinkKeysError extends Error {
  override readonly name = 'LinkKeysError';
}

export interface LinkSource {
  /** Undefined if the event has no links. Throws a {@link LinkKeysError}. `webhook`: name of the webhook that receives them. */
  linksFor(
    api: PcfApi,
    event: DeliveryEvent,
    webhook: string,
    signal: AbortSignal,
  ): Promise<ApprovalLinks | undefined>;
}
