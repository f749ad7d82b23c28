/** Routes of others that claim the same host at the same gateway as a PcfApi. */
import { KIND, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { claimKey, claimsOf, type HostClaim, isOlder, specClaims } from '../traffic/host-claims.js';

export interface HostConflict extends HostClaim {
  /** Kind and name of the other route, for messages. */
  route: string;
  /** Whether the other route is older than the one of this PcfApi. */
  isOlder: boolean;
}

/**
 * `ownRoute` is the live route that serves the PcfApi: ours, or the user's own. `claimants` finds the routes that
 * claim a host at a gateway.
 */
export function hostConflicts(
  api: PcfApi,
  ownRoute: KubeObject | undefined,
  claimants: (claim: HostClaim) => readonly KubeObject[],
): HostConflict[] {
  const isOwn = ({ metadata }: KubeObject) =>
    (ownRoute && metadata.uid === ownRoute.metadata.uid) || ownerOf(metadata)?.uid === api.metadata.uid;
  return specClaims(api, ownRoute).flatMap((claim) =>
    claimants(claim)
      .filter((route) => !isOwn(route))
      // A restart changes the order of a cache: the message would change, and the status would be written.
      .toSorted((a, b) => nameOf(a).localeCompare(nameOf(b)))
      .map((route) => {
        const isPartial = claimsOf(route).every((one) => claimKey(one) !== claimKey(claim) || one.isPartial);
        return {
          ...claim,
          ...(isPartial ? { isPartial } : {}),
          route: nameOf(route),
          isOlder: isOlder(route, ownRoute),
        };
      }),
  );
}

/** Message; undefined if no older route claims any of its hosts. */
export function hostConflictMessage(conflicts: readonly HostConflict[]): string | undefined {
  const lost = conflicts.filter((conflict) => conflict.isOlder);
  if (lost.length === 0) return undefined;
  return `${describeConflicts(lost)}, and is older: remove the host from one of them`;
}

export function describeConflicts(conflicts: readonly HostConflict[], verb = 'also claims'): string {
  const byRoute = Map.groupBy(conflicts, ({ route }) => route);
  return [...byRoute]
    .map(([route, of]) => {
      const hosts = of.map(({ host, gateway }) => `${host} at gateway ${gateway}`);
      return `${route} ${verb} ${hosts.join(' and ')}`;
    })
    .join('; ');
}

/**
 * Whether all of its hosts are served by older routes. With the Gateway API the oldest of two equal
 * rules gets all requests; Istio merges both in an order that it does not define.
 */
export function isShadowed(
  api: PcfApi,
  ownRoute: KubeObject | undefined,
  conflicts: readonly HostConflict[],
): boolean {
  if (api.spec.traffic?.provider !== 'GatewayAPI') return false;
  const lost = conflicts.filter((conflict) => conflict.isOlder && !conflict.isPartial).map(claimKey);
  const own = specClaims(api, ownRoute);
  return own.length > 0 && own.every((claim) => lost.includes(claimKey(claim)));
}

function nameOf({ kind, metadata }: KubeObject): string {
  const owner = ownerOf(metadata);
  const of = owner ? ` of PcfApi ${metadata.namespace}/${owner.name}` : '';
  return `${kind} ${metadata.namespace}/${metadata.name}${of}`;
}

function ownerOf({ ownerReferences = [] }: KubeObject['metadata']) {
  return ownerReferences.find(({ kind }) => kind === KIND);
}
