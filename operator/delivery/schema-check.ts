/** The check of the GraphQL schema: which breaking changes clients still use, and whether they hold the weight at 0. */

import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { RecordedSchemaCheck, SchemaChange } from '../api/v1alpha1/status/schema-check.js';
import type { DeliveryContext } from './context.js';
import type { Observation, RevisionView } from './observation.js';

export interface SchemaInUse {
  revision: string;
  /** The weight of the revision stays at 0. Otherwise it is only reported. */
  isBlocking: boolean;
  changes: SchemaChange[];
  /** Number of further changes. */
  more: number;
  /** Value of the request that approves them. */
  approval: string;
}

/**
 * The breaking changes of the revision being delivered that clients use. A revision that was stable before is
 * exempt: returning to it must always be possible. So is the first one, because no client uses another one.
 */
export function schemaInUse(context: DeliveryContext): SchemaInUse | undefined {
  const { canary, stable, position, spec } = context;
  const { mode = 'Off', ignoreClients = [] } = spec.schemaCheck ?? {};
  if (!canary || !stable || mode === 'Off') return undefined;
  if (position.undo || wasServed(context, canary)) return undefined;
  const approval = canary.image ?? canary.name;
  if (spec.requests.approveSchema === approval) return undefined;
  const check = canary.schemaCheck ?? recordedCheck(position, canary.name);
  const listed = check?.inUse ?? [];
  // The clients of changes that are not listed are unknown, so none of them can be ignored.
  const changes = check?.more ? listed : listed.filter((change) => isUsed(change, ignoreClients));
  if (changes.length === 0) return undefined;
  return {
    revision: canary.name,
    isBlocking: mode === 'Block',
    changes,
    more: check?.more ?? 0,
    approval,
  };
}

/** Clients have used this image before, perhaps with other settings. */
export function wasServed({ position, revisions }: DeliveryContext, { name, image }: RevisionView): boolean {
  const served = position.served ?? [];
  return revisions.some(
    (other) =>
      served.includes(other.name) && (other.name === name || (image !== undefined && image === other.image)),
  );
}

/** The Job has applied `ignoreClients` already; here it applies after an edit. Clients that are not listed count. */
function isUsed({ clients, moreClients = 0 }: SchemaChange, ignored: readonly string[]): boolean {
  const isIgnored = ({ name, application = '' }: SchemaChange['clients'][number]) =>
    ignored.includes(name) || ignored.includes(application);
  return moreClients > 0 || !clients.every(isIgnored);
}

/** Why the weight stays at 0; undefined if the check does not block it. */
export function schemaBlock(context: DeliveryContext): SchemaInUse | undefined {
  const found = schemaInUse(context);
  return found?.isBlocking ? found : undefined;
}

/** Names the first change, its clients and their last use. */
export function schemaMessage({ changes, more }: Pick<SchemaInUse, 'changes' | 'more'>): string {
  const { change, clients, moreClients = 0 } = changes[0]!;
  const names = clients.map(({ name, application }) => (application ? `${name} (${application})` : name));
  const others = moreClients > 0 ? ` and ${moreClients} more` : '';
  const last = clients[0] ? `, last at ${clients[0].lastUsedAt}` : '';
  const left = changes.length - 1 + more;
  const further = left > 0 ? `; and ${left} more ${left === 1 ? 'change' : 'changes'}` : '';
  return `${change}, and is used by ${names.join(', ')}${others}${last}${further}`;
}

type KnownMigrations = NonNullable<DeliveryPosition['knownMigrations']>;

/** Records the newest report, because its Job and pod can be deleted during a canary. */
export function recordSchemaCheck(
  { position: { update }, revisions }: Pick<Observation, 'position' | 'revisions'>,
  knownMigrations: KnownMigrations,
): KnownMigrations {
  const check = revisions.find(({ name }) => name === update)?.schemaCheck;
  if (!check) return knownMigrations;
  return knownMigrations.map((known) => {
    if (known.revision !== update) return known;
    const { schemaCheck: _before, ...rest } = known;
    return check.inUse.length > 0 ? { ...rest, schemaCheck: check } : rest;
  });
}

function recordedCheck(
  { knownMigrations }: DeliveryPosition,
  revision: string,
): RecordedSchemaCheck | undefined {
  return knownMigrations?.find((known) => known.revision === revision)?.schemaCheck;
}
