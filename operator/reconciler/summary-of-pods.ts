/** Summaries of migrations and pods: what a delivery waits for before it gets traffic, or what fails. */
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import { isMigrated } from '../delivery/plan.js';
import type { MigrationView } from '../migrations/migration-view.js';
import { unavailableStable, weakenedStable } from './issues.js';
import type { Observed } from './observed.js';
import { podTrouble, remainingTraffic, type Summary, type SummaryInput, sinceStart } from './summary-rule.js';

export function migrating({ observed, plan, current }: SummaryInput): Summary | undefined {
  const { update } = plan.position;
  if (!update || plan.held?.step === 'Start' || (current && isMigrated(current))) return undefined;
  const migration = observed.migrations.get(update);
  if (migration?.state === 'Planned') return approvalNeeded(observed, plan, update);
  const trouble = migration?.error
    ? `; the last attempt failed and is retried with backoff: ${migration.error}`
    : '';
  return {
    phase: 'Migrating',
    reason: migration?.error ? 'MigrationRetrying' : 'Migrating',
    message: `waiting for the migrations of ${update}${phaseOf(migration)}${sinceStart(plan)}${trouble}${podTrouble(observed, update)}`,
    verdict: 'InProgress',
  };
}

/** The first revision was aborted, and the spec describes another one now. */
export function notStarted({ observed, plan }: SummaryInput): Summary | undefined {
  if (plan.position.stable || plan.position.update) return undefined;
  return {
    phase: 'Pending',
    reason: 'NotStarted',
    message: `the delivery of ${observed.delivery.target} is about to start`,
    verdict: 'InProgress',
  };
}

export function stableUnavailable({ observed, plan, since }: SummaryInput): Summary | undefined {
  const stable = unavailableStable(observed, plan);
  if (!stable) return undefined;
  return {
    phase: 'Degraded',
    reason: 'StableUnavailable',
    message: `no pod of the stable revision ${stable.name} is ready${since('StableUnavailable')}${podTrouble(observed, stable.name)}`,
    verdict: 'InProgress',
  };
}

/** The first revision is retained, because no other one can serve. It becomes Ready when its pods do. */
export function deadlineExceeded({ observed, plan }: SummaryInput): Summary | undefined {
  const { overdue, position } = plan;
  if (!overdue) return undefined;
  return {
    phase: 'Degraded',
    reason: 'ProgressDeadlineExceeded',
    message: `${overdue}; ${position.update} is retained, because there is no stable revision to revert to${podTrouble(observed, position.update!)}`,
    verdict: 'Failed',
  };
}

export function podsNotReady({ observed, plan, current, since }: SummaryInput): Summary | undefined {
  const desired = plan.replicas[current?.name ?? ''] ?? 0;
  const have = current?.ready ?? 0;
  if (!current || have >= desired) return undefined;
  const serving = plan.position.update === undefined;
  return {
    phase: serving ? 'Degraded' : 'Progressing',
    reason: 'PodsNotReady',
    message: `waiting for pods of ${current.name}${serving ? since('PodsNotReady') : sinceStart(plan)}: ${have} of ${desired} ready${podTrouble(observed, current.name)}${serving ? remainingTraffic(plan) : ''}`,
    verdict: 'InProgress',
  };
}

/** During a delivery. Otherwise the stable revision is the current one, which `podsNotReady` reports. */
export function stableNotReady({ observed, plan, since }: SummaryInput): Summary | undefined {
  const stable = weakenedStable(observed, plan);
  if (!stable) return undefined;
  return {
    phase: 'Degraded',
    reason: 'PodsNotReady',
    message: `waiting for pods of the stable revision ${stable.name}${since('PodsNotReady')}: ${stable.ready} of ${plan.replicas[stable.name]} ready${podTrouble(observed, stable.name)}`,
    verdict: 'InProgress',
  };
}

function phaseOf(migration: MigrationView | undefined): string {
  return migration?.stage && migration.state === 'Running' ? ` (${migration.stage})` : '';
}

function approvalNeeded({ api, migrations }: Observed, plan: DeliveryPlan, update: string): Summary {
  const pending = migrations.get(update)?.report?.pending.length;
  return {
    phase: 'Migrating',
    reason: 'ApprovalNeeded',
    message: `${pending ?? 'the'} migrations of ${update} wait${sinceStart(plan)} for: kubectl pcf migrate approve ${api.metadata.name}`,
    verdict: 'InProgress',
  };
}
