/** Fields of a Kubernetes Event that are displayed. */
import type { KubeObject } from '../runtime/kube-types.js';

export interface EventView extends KubeObject {
  eventTime?: string;
  series?: { lastObservedTime: string; count: number };
  type?: string;
  reason?: string;
  note?: string;
  regarding?: { uid?: string };
}

/** Time of the last occurrence of an event. */
export function timeOf({ series, eventTime, metadata }: EventView): string {
  return series?.lastObservedTime ?? eventTime ?? metadata.creationTimestamp ?? '';
}
