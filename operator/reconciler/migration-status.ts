/** The status of the database schema: the state of migrations, what they wait for, and the rollback floor. */
import type { MigrationReport } from '../../contract/image.js';
import type { MigrationStatus } from '../api/v1alpha1/status/migration.js';
import { windowEnd, windowRevision } from '../delivery/contract-window.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import { isMigrated } from '../delivery/plan.js';
import { rollbackFloor } from '../delivery/rollback-floor.js';
import type { MigrationView } from '../migrations/migration-view.js';
import type { Verdict } from './conditions.js';
import type { Observed } from './observed.js';

export function migrationStatus(observed: Observed, plan: DeliveryPlan): MigrationStatus | undefined {
  const { update, failed, stable, contracted } = plan.position;
  const ending = endingRevision(observed, plan);
  const revision = update ?? failed?.revision ?? ending ?? stable;
  // They were migrated before their promotion, even if their Jobs are deleted.
  const wasPromoted = revision === stable || revision === ending;
  const view = revision ? observed.migrations.get(revision) : undefined;
  if (!revision || !view) return undefined;
  const { state, report, error, contractError, contract, durationMs, applied, progress } = view;
  const { hook, window } = contract;
  const runs = [contract.state, hook, window?.restore, window?.purge].includes('Running');
  const contracting = wasPromoted && runs;
  const floor = rollbackFloor(observed.delivery.revisions, plan.position);
  const reached = contracting ? 'Running' : wasPromoted && state === 'Pending' ? 'Succeeded' : state;
  const isWaiting = reached === 'Running' && view.job !== undefined && observed.withoutPod.has(view.job);
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
    // Not while they run: the status would be written at each reconcile.
    duration:
      now === 'Running' || durationMs === undefined ? undefined : `${(durationMs / 1000).toFixed(1)}s`,
    message:
      error ??
      (wasPromoted ? contractError : reached === 'Running' ? observed.trouble.get(revision) : undefined),
    waitingFor: plan.restoring ?? plan.contract?.waitingFor,
    approval: plan.approval,
    contractAt: plan.contract?.at,
    window: windowOf(plan.position),
    irreversible: report?.irreversible,
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

/** The revision whose image runs a restore or purge now, or has failed to; it need not be the stable one. */
function endingRevision({ delivery, migrations }: Observed, { position }: DeliveryPlan): string | undefined {
  const revision = windowRevision(delivery.revisions, position);
  const { restore, purge } = migrations.get(revision ?? '')?.contract.window ?? {};
  const isEnding = [restore, purge].some((state) => state === 'Running' || state === 'Failed');
  return isEnding ? revision : undefined;
}

function windowOf(position: DeliveryPlan['position']): MigrationStatus['window'] {
  const until = windowEnd(position);
  if (until === undefined) return undefined;
  const hidden = position.contracted?.hidden ?? [];
  const objects = hidden.flatMap((one) => one.objects ?? []);
  return compact({
    until,
    migrations: hidden.map(({ migration }) => migration),
    objects: objects.length > 0 ? objects : undefined,
  });
}

function holderOf(report: MigrationReport | undefined): MigrationStatus['lockHolder'] {
  if (!report?.lockHolder) return undefined;
  const { lock, pid, application, user, since } = report.lockHolder;
  return compact({ lock, pid, application, user: user ?? undefined, since: since ?? undefined });
}

/** For a printer column: the running stage, and its progress. */
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

/** Without migrations that finished after the report. */
function pendingOf(report: MigrationReport | undefined, done: string[] = []): MigrationStatus['pending'] {
  const { pending = [], backfills = [], contracts = [] } = report ?? {};
  const left = pending.filter((name) => !done.includes(name));
  if (left.length === 0) return undefined;
  return left.map((name) => ({
    name,
    phase: contracts.includes(name) ? 'contract' : backfills.includes(name) ? 'backfill' : 'expand',
  }));
}

export function migrationsApplied(observed: Observed, plan: DeliveryPlan): Verdict {
  const type = 'MigrationsApplied';
  const { update, stable } = plan.position;
  const name = update ?? stable;
  const view = observed.delivery.revisions.find((revision) => revision.name === name);
  // The stable revision was migrated before its promotion, even if its Jobs are deleted.
  if (view && (isMigrated(view) || !update)) {
    return { type, status: 'True', ...contractVerdict(observed, plan, view.name) };
  }
  const migration = observed.migrations.get(name ?? '');
  const state = migration?.state ?? 'Pending';
  const message =
    state === 'Planned'
      ? `the migrations of ${name} wait for: kubectl pcf migrate approve ${observed.api.metadata.name}`
      : (migration?.error ??
        observed.trouble.get(name ?? '') ??
        `the schema is not ready for ${name ?? 'any revision'}`);
  return { type, status: 'False', reason: state === 'Planned' ? 'ApprovalNeeded' : state, message };
}

/** The schema supports the revision. The state of contract is reported in addition. */
function contractVerdict(
  observed: Observed,
  plan: DeliveryPlan,
  name: string,
): Pick<Verdict, 'reason' | 'message'> {
  const ready = `the schema is ready for ${name}`;
  const { contract, contractError } = observed.migrations.get(plan.position.stable ?? '') ?? {};
  if (plan.restoring) return { reason: 'Restoring', message: `${ready}; waiting for ${plan.restoring}` };
  if (plan.job?.stage === 'contract' || contract?.state === 'Running') {
    return {
      reason: 'Contracting',
      message: `${ready}; contract migrations are running${contractError ? `: ${contractError}` : ''}`,
    };
  }
  if (!plan.contract?.waitingFor) return { reason: 'Applied', message: ready };
  return { reason: 'ContractPending', message: `${ready}; contract waits for ${plan.contract.waitingFor}` };
}

/** Without undefined fields, as in JSON. */
export function compact<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}
