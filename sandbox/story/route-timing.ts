/** Reads the weight of the new revision from a VirtualService, like the gateway. */
import type { KubeObject } from '../../operator/runtime/kube-client.js';
import type { VirtualService } from '../gateway/types.js';

/** Weight of `subset`. A missing revision has weight 0; a single one has weight 100. */
export function weightOf(object: KubeObject, subset: string): number {
  const primary = (object as VirtualService).spec.http?.find(({ match }) => !match);
  return primary?.route.find(({ destination }) => destination.subset === subset)?.weight ?? 0;
}
