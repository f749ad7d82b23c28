/** An Event as people are shown it. */
import type { KubeObject } from '../runtime/kube-types.js';

export interface EventView extends KubeObject {
  eventTime?: string;
  series?: { lastObservedTime: string; count: number };
  type?: string;
  reason?: string;
  note?: string;
  regarding?: { uid?: string };
}

/** When an event was last seen. */
export function timeOf({ series, eventTime, metadata }: EventView): string {
  return series?.lastObservedTime ?? eventTime ?? metadata.creationTimestamp ?? '';
}
