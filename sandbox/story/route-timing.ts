/** Reads the weight of the new revision off a VirtualService, as the gateway sees it. */
import type { KubeObject } from '../../operator/runtime/kube-client.js';
import type { VirtualService } from '../gateway/types.js';

/**
 * The share that goes to `subset`. A revision that is named nowhere gets nothing;
 * one that is named alone gets everything.
 */
export function weightOf(object: KubeObject, subset: string): number {
  const primary = (object as VirtualService).spec.http?.find(({ match }) => !match);
  return primary?.route.find(({ destination }) => destination.subset === subset)?.weight ?? 0;
}
