/** Summaries of what a delivery needs from outside: Secrets, the router, routes of users, the database schema. */
import type { Reason } from '../api/v1alpha1/reasons.js';
import { windowRevision } from '../delivery/contract-window.js';
import { hostConflictMessage, isShadowed } from './host-conflict.js';
import { providerMissing as missingProvider, routeLimitMessage, userRouteMissing } from './route-trouble.js';
import { type Summary, type SummaryInput } from './summary-rule.js';

export function secretMissing({ observed, since }: SummaryInput): Summary | undefined {
  const [missing, ...more] = observed.missingSecrets;
  if (!missing) return undefined;
  const { namespace } = observed.api.metadata;
  const what = missing.key
    ? `Secret ${namespace}/${missing.name} has no key "${missing.key}"`
    : `Secret ${namespace}/${missing.name} does not exist`;
  const others = more.length > 0 ? ` (and ${more.length} more)` : '';
  return {
    phase: 'Pending',
    reason: 'SecretMissing',
    message: `${what}${others}${since('SecretMissing')}; no pod is started until it exists`,
    verdict: 'InProgress',
  };
}

export function providerMissing({ observed, since }: SummaryInput): Summary | undefined {
  const trouble = missingProvider(observed);
  return trouble ? missingObject('TrafficProviderMissing', trouble, since) : undefined;
}

/** The class of a Gateway would ignore the field, or reject the route. Running pods continue to serve. */
export function featureUnsupported({ observed, since }: SummaryInput): Summary | undefined {
  const { unsupportedFeature } = observed;
  if (!unsupportedFeature) return undefined;
  return {
    phase: 'Pending',
    reason: 'GatewayFeatureUnsupported',
    message: `${unsupportedFeature}; no pod of a new revision is started${since('GatewayFeatureUnsupported')}`,
    verdict: 'InProgress',
  };
}

/** The user's own route cannot have the rules of a delivery. One that has started continues without them. */
export function routeIncompatible({ observed, plan, since }: SummaryInput): Summary | undefined {
  const limit = routeLimitMessage(observed);
  const { update } = plan.position;
  if (!limit || !observed.delivery.isUnsupported || !update || plan.replicas[update]) return undefined;
  return {
    phase: 'Pending',
    reason: 'RouteIncompatible',
    message: `${limit}; no pod of ${update} is started${since('RouteIncompatible')}`,
    verdict: 'InProgress',
  };
}

/** An undo below the rollback floor, within the window after contract. */
export function restoring({ observed, plan }: SummaryInput): Summary | undefined {
  if (!plan.restoring) return undefined;
  const { stable = '' } = plan.position;
  const runner = windowRevision(observed.delivery.revisions, plan.position) ?? '';
  const { contractError } = observed.migrations.get(runner) ?? {};
  return {
    phase: 'Migrating',
    reason: 'Migrating',
    message: `waiting for ${plan.restoring}${contractError ? `: ${contractError}` : ''}; ${stable} continues to serve`,
    verdict: 'InProgress',
  };
}

/** An undo to a revision below the rollback floor is rejected. */
export function belowRollbackFloor({ plan }: SummaryInput): Summary | undefined {
  const { position, refused } = plan;
  if (!refused || position.failed) return undefined;
  return {
    phase: 'Failed',
    reason: 'BelowRollbackFloor',
    message: `rejected: ${refused}; ${position.stable} continues to serve`,
    verdict: 'Failed',
  };
}

export function routeMissing({ observed, since }: SummaryInput): Summary | undefined {
  const trouble = userRouteMissing(observed);
  return trouble ? missingObject('RouteMissing', trouble, since) : undefined;
}

/** The Gateway routes no request to this PcfApi, regardless of its weights. */
export function hostsShadowed({ observed, since }: SummaryInput): Summary | undefined {
  const { api, liveRoute, hostConflicts } = observed;
  if (!isShadowed(api, liveRoute, hostConflicts)) return undefined;
  return {
    phase: 'Degraded',
    reason: 'HostConflict',
    message: `the gateway routes no requests to it${since('HostConflict')}: ${hostConflictMessage(hostConflicts)}`,
    verdict: 'InProgress',
  };
}

/** A missing object that the user has to create before the delivery can continue. */
function missingObject(reason: Reason, message: string, since: SummaryInput['since']): Summary {
  return {
    phase: 'Pending',
    reason,
    message: `${message}; waiting for it${since(reason)}`,
    verdict: 'InProgress',
  };
}
