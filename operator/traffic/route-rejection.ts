/** Reports of the controllers of Gateways in `status.parents` of an HTTPRoute. */
import type { KubeObject } from '../runtime/kube-types.js';

export interface ParentRef {
  kind?: string;
  namespace?: string;
  name: string;
}

export interface ParentStatus {
  parentRef: ParentRef & { sectionName?: string; port?: number };
  conditions?: {
    type: string;
    status: string;
    reason: string;
    message?: string;
    observedGeneration?: number;
  }[];
}

/**
 * Conditions with the status of a route that is not in effect as a whole. With `PartiallyInvalid`, the Gateway has dropped
 * some rules, or applies an earlier version of them, although `Accepted` is True:
 * https://gateway-api.sigs.k8s.io/geps/gep-1364/
 */
const REJECTING: Readonly<Record<string, string>> = {
  Accepted: 'False',
  ResolvedRefs: 'False',
  PartiallyInvalid: 'True',
};

/**
 * Why a Gateway rejects the route as it is now, as a whole or in part. A report on an older generation, or none, rejects
 * nothing: not every Gateway has a controller that reports. A mesh that does not support the Service as a
 * parent routes its callers by the Service alone, so its report does not count.
 */
export function routeRejection({ kind, metadata, status }: KubeObject): string | undefined {
  const { parents = [] } = (status ?? {}) as { parents?: ParentStatus[] };
  const [first] = parents
    .filter(({ parentRef }) => (parentRef.kind ?? 'Gateway') === 'Gateway')
    .flatMap(({ parentRef, conditions = [] }) =>
      conditions
        .filter(
          ({ type, status, observedGeneration }) =>
            status === REJECTING[type] && observedGeneration === metadata.generation,
        )
        .map(({ type, status, reason, message }) => {
          const gateway = `Gateway ${parentRef.namespace ?? metadata.namespace}/${parentRef.name}`;
          const route = `${kind} ${metadata.name}`;
          const effect =
            type === 'PartiallyInvalid'
              ? `${gateway} applies ${route} in part`
              : `${gateway} rejects ${route}`;
          return `${effect}: ${type} is ${status} (${reason})${message ? `: ${message}` : ''}`;
        }),
    );
  return first;
}

/** Whether the report is that the controller of this parent does not accept the route as it is now. */
export function isRejected(
  { metadata }: KubeObject,
  parent: ParentStatus['parentRef'],
  { parentRef, conditions = [] }: ParentStatus,
): boolean {
  const isSame =
    parentRef.name === parent.name &&
    (parentRef.namespace ?? metadata.namespace) === (parent.namespace ?? metadata.namespace) &&
    parentRef.sectionName === parent.sectionName &&
    parentRef.port === parent.port;
  return (
    isSame &&
    conditions.some(
      ({ type, status, observedGeneration }) =>
        type === 'Accepted' && status === 'False' && observedGeneration === metadata.generation,
    )
  );
}
