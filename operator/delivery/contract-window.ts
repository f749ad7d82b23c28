/**
 * The window after contract. What the contract migrations dropped is only hidden: a revision below the rollback floor
 * is delivered after a restore, until a purge drops it permanently. Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { DeliveryContext } from './context.js';
import type { ContractView, MigrationJob, RevisionView, WindowView } from './observation.js';
import { viewOf } from './revision-view.js';
import { type Candidate, canRun } from './rollback-floor.js';

type Schema = Pick<DeliveryPosition, 'knownMigrations' | 'contracted'>;

export interface WindowPlan {
  job?: MigrationJob;
  /** Message about the restore that the target waits for. */
  restoring?: string;
  /** Why the target is rejected, if the restore that it needs failed. */
  refused?: string;
  wakeMs?: number;
}

/** The end of the window, when the purge can run; undefined if nothing can be restored. */
export function windowEnd({ contracted }: Pick<DeliveryPosition, 'contracted'>): string | undefined {
  if (!contracted || contracted.purged) return undefined;
  return contracted.hidden
    ?.map(({ until }) => until)
    .toSorted()
    .at(-1);
}

/** Whether a restore makes the schema support a revision that it does not support now. Until the purge. */
export function isRestorable(all: readonly Candidate[], schema: Schema, name: string): boolean {
  if (!schema.contracted || windowEnd(schema) === undefined) return false;
  return (
    !canRun(all, schema, name) && canRun(all, { ...schema, contracted: restored(schema.contracted) }, name)
  );
}

const NO_WINDOW: WindowView = { attempt: 1, hidden: [], restore: 'Absent', purge: 'Absent' };

/** The purge compares the end of the window with the clock of the database, which may be behind. */
const CLOCK_MARGIN_MS = 60_000;

export function planContractWindow(context: DeliveryContext): WindowPlan {
  const { position, observation, revisions, spec, canary, now } = context;
  const end = windowEnd(position);
  if (end === undefined || spec.contractDelayMs === undefined) return {};
  const runner = windowRunner(revisions, position);
  const { state, window = NO_WINDOW } = runner.contract ?? {};
  const { target } = observation;
  // The expand of an older image reports what it needs, and is then aborted: only a retry reverses the contract.
  const isAborted = position.failed?.revision === target;
  if (window.restore === 'Running') return { restoring: restoreMessage(context) };
  if (!isAborted && isRestorable(revisions, position, target)) return planRestore(context, runner);
  if (spec.paused || state === 'Running' || window.purge !== 'Absent' || window.restore === 'Failed')
    return {};
  const leftMs = Date.parse(end) + CLOCK_MARGIN_MS - now;
  if (leftMs > 0) return { wakeMs: leftMs };
  // What the revision in the spec needs is not dropped, even if it can't be restored now.
  if (!canRun(revisions, position, target)) return {};
  const job: MigrationJob = { revision: runner.name, attempt: window.attempt, stage: 'purge' };
  return canary || observation.gate?.held.Purge ? {} : { job };
}

/** The restore or purge that runs now, which contract waits for. */
export function endingStage({ position, revisions }: DeliveryContext): 'restore' | 'purge' | undefined {
  if (windowEnd(position) === undefined) return undefined;
  const { restore, purge } = windowRunner(revisions, position).contract?.window ?? NO_WINDOW;
  return restore === 'Running' ? 'restore' : purge === 'Running' ? 'purge' : undefined;
}

function planRestore(context: DeliveryContext, { name, contract }: RevisionView): WindowPlan {
  const { state, window = NO_WINDOW } = contract ?? {};
  const restoring = restoreMessage(context);
  if (window.purge !== 'Absent') return {};
  if (window.restore === 'Failed') {
    const rejection = `${context.observation.target} does not support the schema, and ${restoring}, failed`;
    return {
      refused: `${rejection}; fix the cause, then delete the Job of the restore, which is created again`,
    };
  }
  if (context.spec.paused) return { restoring: `spec.paused to be unset, which blocks ${restoring}` };
  if (state === 'Running') return { restoring: `contract to finish, before ${restoring}` };
  const job: MigrationJob = { revision: name, attempt: window.attempt, stage: 'restore' };
  return { job: { ...job, migrations: reversedIn(context) }, restoring };
}

function restoreMessage(context: DeliveryContext): string {
  return `the restore of what ${reversedIn(context).join(', ')} dropped, which ${context.observation.target} needs`;
}

function reversedIn({ position }: DeliveryContext): string[] {
  return reversedBy(position.contracted!);
}

/** Records the end of a restore, after which contract is pending again, or of a purge. */
export function recordWindow(
  revisions: readonly RevisionView[],
  position: DeliveryPosition,
  now: number,
): DeliveryPosition {
  const { contracted } = position;
  if (!contracted?.hidden || contracted.purged) return position;
  const { window = NO_WINDOW } = windowRunner(revisions, position).contract ?? {};
  const at = window.jobCreatedAt ?? new Date(now).toISOString();
  if (window.restore === 'Succeeded') {
    // The soak starts from scratch, if the undo is cancelled.
    return {
      ...position,
      promotedAt: new Date(now).toISOString(),
      contracted: { ...restored(contracted), restoredAt: at },
    };
  }
  if (window.purge !== 'Succeeded') return position;
  return { ...position, contracted: { ...contracted, purged: true, purgedAt: at } };
}

/** What the contract Job reported as hidden, including what earlier contracts have hidden. */
export function withHidden(
  contracted: NonNullable<DeliveryPosition['contracted']>,
  { window }: ContractView,
): NonNullable<DeliveryPosition['contracted']> {
  if (!contracted.done || !window?.hidden.length || isDeepStrictEqual(contracted.hidden, window.hidden))
    return contracted;
  const { purged: _, ...rest } = contracted; // it was a purge of an earlier window
  return { ...rest, hidden: window.hidden };
}

/** The revision whose image runs restore and purge: the contracted one, or the stable one if its record was deleted. */
export function windowRevision(
  revisions: readonly Candidate[],
  { contracted, stable }: DeliveryPosition,
): string | undefined {
  const isRecorded = revisions.some(({ name }) => name === contracted?.revision);
  return isRecorded ? contracted!.revision : stable;
}

function windowRunner(revisions: readonly RevisionView[], position: DeliveryPosition): RevisionView {
  return viewOf(revisions, windowRevision(revisions, position)!);
}

function restored(
  contracted: NonNullable<DeliveryPosition['contracted']>,
): NonNullable<DeliveryPosition['contracted']> {
  const { hidden: _, unfinished: __, ...rest } = contracted;
  const names = reversedBy(contracted);
  const migrations = contracted.migrations.filter((migration) => !names.includes(migration));
  // A contract that failed is not continued: it is pending again.
  return { ...rest, migrations, done: true, restores: (contracted.restores ?? 0) + 1 };
}

/** A restore skips those of a failed contract that were not applied, and is refused if one of them is not hidden. */
function reversedBy({ hidden = [], unfinished = [] }: NonNullable<DeliveryPosition['contracted']>): string[] {
  return [...new Set([...hidden.map(({ migration }) => migration), ...unfinished])];
}
