/** What the status says of the database schema: where its migrations stand, what they wait for, how far one can go back. */
import type { MigrationReport } from '../../contract/image.js';
import type { MigrationStatus } from '../api/v1alpha1/status.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import { isMigrated } from '../delivery/plan.js';
import { rollbackFloor } from '../delivery/rollback-floor.js';
import type { MigrationView } from '../migrations/migration-view.js';
import type { Verdict } from './conditions.js';
import type { Observed } from './observed.js';

export function migrationStatus(seen: Observed, plan: DeliveryPlan): MigrationStatus | undefined {
  const { update, failed, stable, contracted } = plan.position;
  const revision = update ?? failed?.revision ?? stable;
  const view = revision ? seen.migrations.get(revision) : undefined;
  if (!revision || !view) return undefined;
  const { state, report, error, contractError, contract, durationMs, applied, progress } = view;
  const contracting = revision === stable && [contract.state, contract.hook].includes('Running');
  const floor = rollbackFloor(seen.delivery.revisions, plan.position);
  // A stable revision was migrated before it became so, whatever is left of its Jobs.
  const reached = contracting ? 'Running' : revision === stable && state === 'Pending' ? 'Succeeded' : state;
  const isWaiting = reached === 'Running' && view.job !== undefined && seen.withoutPod.has(view.job);
  const now = isWaiting ? 'Pending' : reached;
  return compact({
    revision,
    state: now,
    summary: summaryOf(now, view),
    phase: view.stage,
    job: view.job,
    current: report?.current ?? undefined,
    applied: applied.length > 0 ? applied : undefined,
    pending: pendingOf(report, contract.state === 'Succeeded' ? contracted?.migrations : undefined),
    ahead: report?.ahead,
    findings: report?.findings,
    progress,
    lockHolder: now === 'Running' ? holderOf(report) : undefined,
    // Of what still runs, `since` tells more: this would be one write more for each round.
    duration:
      now === 'Running' || durationMs === undefined ? undefined : `${(durationMs / 1000).toFixed(1)}s`,
    message:
      error ??
      (revision === stable ? contractError : reached === 'Running' ? seen.trouble.get(revision) : undefined),
    waitingFor: plan.contract?.waitingFor,
    approval: plan.approval,
    contractAt: plan.contract?.at,
    rollbackFloor:
      floor && contracted
        ? compact({
            revision: floor.name,
            number: floor.number ?? 0,
            image: floor.image,
            migrations: contracted.migrations,
          })
        : undefined,
  });
}

function holderOf(report: MigrationReport | undefined): MigrationStatus['lockHolder'] {
  if (!report?.lockHolder) return undefined;
  const { lock, pid, application, user, since } = report.lockHolder;
  return compact({ lock, pid, application, user: user ?? undefined, since: since ?? undefined });
}

/** For a column: what runs now, and how far it is. */
function summaryOf(
  state: MigrationStatus['state'],
  { stage, report }: Pick<MigrationView, 'stage' | 'report'>,
): string {
  if (state !== 'Running' || !stage) return state;
  const name = stage[0]!.toUpperCase() + stage.slice(1);
  if (report?.lockHolder) return `${name} locked`;
  const { rows, total } = (stage === 'backfill' && report?.backfill) || {};
  if (rows === undefined || !total) return name;
  return `${name} ${Math.min(99, Math.floor((100 * rows) / total))}%`;
}

/** A report is of the time before what came after it. */
function pendingOf(report: MigrationReport | undefined, done: string[] = []): MigrationStatus['pending'] {
  const { pending = [], backfills = [], contracts = [] } = report ?? {};
  const left = pending.filter((name) => !done.includes(name));
  if (left.length === 0) return undefined;
  return left.map((name) => ({
    name,
    phase: contracts.includes(name) ? 'contract' : backfills.includes(name) ? 'backfill' : 'expand',
  }));
}

export function migrationsApplied(seen: Observed, plan: DeliveryPlan): Verdict {
  const type = 'MigrationsApplied';
  const { update, stable } = plan.position;
  const name = update ?? stable;
  const view = seen.delivery.revisions.find((revision) => revision.name === name);
  // The stable revision was migrated before it became so, even if its Jobs are long gone.
  if (view && (isMigrated(view) || !update)) {
    return { type, status: 'True', ...contractVerdict(seen, plan, view.name) };
  }
  const migration = seen.migrations.get(name ?? '');
  const state = migration?.state ?? 'Pending';
  const message =
    state === 'Planned'
      ? `the migrations of ${name} wait for: kubectl pcf migrate approve ${seen.api.metadata.name}`
      : (migration?.error ??
        seen.trouble.get(name ?? '') ??
        `the schema is not ready for ${name ?? 'any revision'}`);
  return { type, status: 'False', reason: state === 'Planned' ? 'ApprovalNeeded' : state, message };
}

/** The schema serves the revision; what it still has for others is told as well. */
function contractVerdict(
  seen: Observed,
  plan: DeliveryPlan,
  name: string,
): Pick<Verdict, 'reason' | 'message'> {
  const ready = `the schema is ready for ${name}`;
  const { contract, contractError } = seen.migrations.get(plan.position.stable ?? '') ?? {};
  if (plan.job?.stage === 'contract' || contract?.state === 'Running') {
    return {
      reason: 'Contracting',
      message: `${ready}; contract migrations are running${contractError ? `: ${contractError}` : ''}`,
    };
  }
  if (!plan.contract?.waitingFor) return { reason: 'Applied', message: ready };
  return { reason: 'ContractPending', message: `${ready}; contract waits for ${plan.contract.waitingFor}` };
}

/** Without the fields that have no value, as JSON would leave them out. */
export function compact<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}
