/** Records the state of the schema in the position: Jobs and their reports may be deleted. */
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import { recordWindow, withHidden } from './contract-window.js';
import { recordJobs } from './job-payloads.js';
import type { Observation } from './observation.js';
import { recordBackfill } from './preparation.js';
import { pendingContracts, startedContract } from './rollback-floor.js';
import { recordSchemaCheck } from './schema-check.js';

type KnownMigrations = NonNullable<DeliveryPosition['knownMigrations']>[number];

/**
 * Records what migration Jobs reported, because Jobs and their pods may be deleted. A contract Job that exists
 * counts as started, even if the operator was killed before the start was recorded.
 */
export function recordSchema(
  observation: Observation,
  recordedPosition: DeliveryPosition,
  now: number,
): DeliveryPosition {
  const { revisions } = observation;
  const position = recordWindow(revisions, recordedPosition, now);
  const migrations = recordBackfill(observation, recordKnownMigrations(observation, position));
  const known = recordJobs(observation, recordSchemaCheck(observation, migrations));
  const recorded = { ...position, knownMigrations: known.length > 0 ? known : undefined };
  // The contract Jobs were observed before the record of the restore.
  if (position.contracted?.restores !== recordedPosition.contracted?.restores) return recorded;
  const stable = revisions.find(({ name }) => name === position.stable);
  if (!stable?.contract || stable.contract.state === 'Absent') return recorded;
  const isNew = pendingContracts(recorded).length > 0;
  const started = isNew ? startedContract(revisions, recorded, now) : recorded.contracted;
  if (started?.revision !== stable.name) return recorded;
  const { unfinished: _, ...finished } = started;
  const contracted = stable.contract.state === 'Succeeded' ? { ...finished, done: true } : started;
  return { ...recorded, contracted: withHidden(contracted, stable.contract) };
}

/** Once, for the revision being delivered: a later report of an old Job may concern an older schema. */
function recordKnownMigrations(
  { revisions, unrecorded = [] }: Observation,
  { update, contracted, knownMigrations = [] }: DeliveryPosition,
): KnownMigrations[] {
  const names = [...revisions.map(({ name }) => name), ...unrecorded];
  const retained = knownMigrations.filter(({ revision }) => names.includes(revision));
  const canary = revisions.find(({ name }) => name === update);
  const before = retained.find(({ revision }) => revision === update);
  if (!canary || (before && !(before.unreported && canary.contracts))) return retained;
  const backfill = canary.backfill ? { backfill: true } : {};
  if (canary.unreported) {
    return [...retained, { revision: canary.name, migrations: [], unreported: true, ...backfill }];
  }
  if (!canary.contracts) return retained;
  const past = contracted?.migrations.filter((migration) => !canary.ahead?.includes(migration)) ?? [];
  const migrations = [...new Set([...canary.contracts, ...past])];
  return [...retained.filter((one) => one !== before), { revision: canary.name, migrations, ...backfill }];
}
