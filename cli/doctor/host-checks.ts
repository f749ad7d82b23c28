/** Checks whether other routes of the cluster claim the hosts of a PcfApi at its gateways. */
import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import { describeConflicts, hostConflicts } from '../../operator/reconciler/host-conflict.js';
import { isNotFound, type KubeObject } from '../../operator/runtime/kube-client.js';
import { claimKey, claimsOf, type HostClaim, isCovered } from '../../operator/traffic/host-claims.js';
import { routerOf } from '../../operator/traffic/index.js';
import { asAllowed, type Check, type Finding, type Subject } from './types.js';

const CHECK = 'hosts';

export const hostChecks: Check[] = [asAllowed(CHECK, hosts)];

async function hosts({ client, api }: Subject): Promise<Finding | Finding[]> {
  const { shared } = routerOf(api);
  if (!shared) return [];
  const list = await client.list(shared.type, {}).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
    return { items: [] }; // another check reports that the kind is missing
  });
  // Items of a list have no kind of their own.
  const routes = list.items.map((item) => ({ ...item, kind: shared.type.kind }));
  return hostFinding(api, routes);
}

/** Exported for tests. */
export function hostFinding(api: PcfApi, routes: readonly KubeObject[]): Finding {
  const own = ownRoute(api, routes);
  const conflicts = hostConflicts(api, own, (claim) =>
    routes.filter((route) => claimsOf(route).some((one) => claimKey(one) === claimKey(claim))),
  );
  if (conflicts.length > 0) {
    const isLost = conflicts.some((conflict) => conflict.isOlder);
    const whose = isLost ? 'the older route takes precedence' : 'the other route is newer';
    return {
      check: CHECK,
      outcome: isLost ? 'fail' : 'warn',
      message: `${describeConflicts(conflicts)}; ${whose}`,
      remedy: 'remove the host from one of the routes, or use another gateway',
    };
  }
  const overlaps = hostConflicts(api, own, (claim) => routes.filter((route) => overlapsWith(route, claim)));
  if (overlaps.length === 0)
    return { check: CHECK, outcome: 'ok', message: 'no other route claims a host at the same gateway' };
  return {
    check: CHECK,
    outcome: 'warn',
    message: `${describeConflicts(overlaps, 'overlaps with')}: the more specific host takes precedence over a wildcard`,
  };
}

function ownRoute({ metadata, spec }: PcfApi, routes: readonly KubeObject[]): KubeObject | undefined {
  const name = spec.traffic?.routeRef?.name ?? metadata.name;
  return routes.find(
    (route) => route.metadata.namespace === metadata.namespace && route.metadata.name === name,
  );
}

/** By a wildcard of either route. */
function overlapsWith(route: KubeObject, { host, gateway }: HostClaim): boolean {
  return claimsOf(route).some(
    (other) => other.gateway === gateway && (isCovered(other.host, host) || isCovered(host, other.host)),
  );
}
