/** Links in notifications of type ApprovalRequested. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { DeliveryEvent } from './event.js';

export interface ApprovalLinks {
  approve: string;
  abort: string;
  /** RFC 3339 time. */
  expireAt: string;
}

export interface LinkSource {
  /** Undefined if the event has no links. `webhook`: name of the webhook that receives them. */
  linksFor(
    api: PcfApi,
    event: DeliveryEvent,
    webhook: string,
    signal: AbortSignal,
  ): Promise<ApprovalLinks | undefined>;
}
