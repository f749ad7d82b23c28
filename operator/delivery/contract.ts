/** Contract: runs after the promotion and the soak, once no pod is left that needs what it removes. */
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import { type DeliveryContext, withPosition } from './context.js';
import { endingStage } from './contract-window.js';
import type { ContractView, MigrationJob } from './observation.js';
import { canRunAfter, pendingContracts, startedContract } from './rollback-floor.js';
import { type Finding, firstFinding, type Rule } from './rule-chain.js';

/**
 * Maximum age of the backup when contract starts. Contract starts right after the backup, unless something holds it in
 * between, such as `spec.paused`: then writes since then are missing in the backup.
 */
export const MAX_BACKUP_AGE_MS = 600_000;

export interface ContractPlan {
  position: DeliveryPosition;
  /** The Job that must run now. */
  job?: MigrationJob;
  /** What it waits for. */
  waitingFor?: string;
  /** When the soak ends. */
  at?: string;
  wakeMs?: number;
  /** Identifies the required approval. */
  approval?: string;
}

interface ContractContext extends DeliveryContext {
  contract: ContractView;
  soakLeftMs: number;
}

/** What contract waits for. The message is the object of "waits for". */
type ContractReason =
  | 'Paused'
  | 'DeliveryInProgress'
  | 'PromotionUnrecorded'
  | 'TargetChanged'
  | 'WindowEnding'
  | 'Soaking'
  | 'WindowClosed'
  | 'JobFailed'
  | 'ApprovalNeeded'
  | 'PodsTerminating'
  | 'ComponentsUpdating'
  | 'HookRunning';
type ContractFinding = Finding<ContractReason>;
type ContractRule = Rule<ContractContext, ContractFinding>;

const rules: readonly ContractRule[] = [
  paused,
  deliveryInProgress,
  windowEnding,
  soaking,
  windowClosed,
  jobFailed,
  approvalNeeded,
  podsTerminating,
  componentsUpdating,
  hookRunning,
];

const NO_CONTRACT: ContractView = { state: 'Absent', hook: 'Disabled', attempt: 1 };

export function planContract(given: DeliveryContext): ContractPlan {
  const { stable, canary, position: before, spec, now } = given;
  if (!stable || spec.contractDelayMs === undefined) return { position: before };
  const { contract = NO_CONTRACT } = stable;
  const isStarted = before.contracted?.revision === stable.name && !before.contracted.done;
  if (pendingContracts(before).length === 0 && !isStarted) return { position: before };
  if (contract.state === 'Running') return { position: before };

  const promotedAt = before.promotedAt ?? new Date(now).toISOString();
  const soakEnd = Date.parse(promotedAt) + spec.contractDelayMs;
  const position = recordHook({ ...before, promotedAt }, contract, now);
  const context = { ...withPosition(given, position), contract, soakLeftMs: soakEnd - now };
  const finding = firstFinding(rules, context);
  if (finding) {
    const needsApproval = finding.reason === 'JobFailed' || finding.reason === 'ApprovalNeeded';
    return {
      position,
      waitingFor: finding.message,
      ...(needsApproval ? { approval: approvalId(context) } : {}),
      ...(canary ? {} : { at: new Date(soakEnd).toISOString(), wakeMs: wakeMs(context) }),
    };
  }
  const job = { revision: stable.name, attempt: contract.attempt };
  if (contract.hook === 'Absent' || contract.hook === 'Failed')
    return { position, job: { ...job, stage: 'hook' } };
  if (isOutdated(position, now)) {
    return { position, job: { ...job, stage: 'hook', run: (contract.hookRun ?? 1) + 1 } };
  }
  const { beforeContractAt: _, ...started } = position;
  const contracted = isStarted ? before.contracted : startedContract(given.revisions, position, now);
  return { position: { ...started, contracted }, job: { ...job, stage: 'contract' } };
}

/**
 * Records when the hook succeeded. The clock of its controller may differ from that of the operator, so it counts only for
 * the first run: a difference causes at most one additional run.
 */
function recordHook(
  { beforeContractAt, ...position }: DeliveryPosition,
  { hook, hookRun = 1, hookFinishedAt }: ContractView,
  now: number,
): DeliveryPosition {
  if (hook !== 'Succeeded') return position;
  const observedAt = new Date(now).toISOString();
  const isEarlier = hookFinishedAt !== undefined && Date.parse(hookFinishedAt) < now;
  const succeededAt = isEarlier && hookRun === 1 ? hookFinishedAt : observedAt;
  return { ...position, beforeContractAt: beforeContractAt ?? succeededAt };
}

function isOutdated({ beforeContractAt }: DeliveryPosition, now: number): boolean {
  return beforeContractAt !== undefined && now - Date.parse(beforeContractAt) > MAX_BACKUP_AGE_MS;
}

/** Interval for checking a soak that became longer than `contractDelay` because a clock was set back. */
const CLOCK_CHECK_MS = 1_000;

/** Only the end of the soak needs a timer. A clock that was set back lengthens the soak, and nothing shortens it. */
function wakeMs(context: ContractContext): number | undefined {
  const { soakLeftMs, spec } = context;
  if (soakLeftMs > 0) return Math.min(soakLeftMs, Math.max(spec.contractDelayMs ?? 0, CLOCK_CHECK_MS));
  return isPromotionRecorded(context) ? undefined : 0;
}

/** After a crash, an unrecorded promotion is repeated: contract must not have removed the way back. */
function isPromotionRecorded({ recorded, position: { stable, promotedAt } }: ContractContext): boolean {
  return !recorded.update && recorded.stable === stable && recorded.promotedAt === promotedAt;
}

function paused({ spec }: ContractContext): ContractFinding | undefined {
  return spec.paused ? { reason: 'Paused', message: 'spec.paused to be unset' } : undefined;
}

/** A pending undo cancels the soak, and a failed delivery must be resolved first. */
function deliveryInProgress(context: ContractContext): ContractFinding | undefined {
  const { canary, position, observation } = context;
  if (canary) return { reason: 'DeliveryInProgress', message: `the delivery of ${canary.name} to finish` };
  if (!isPromotionRecorded(context))
    return { reason: 'PromotionUnrecorded', message: 'the promotion to be recorded' };
  if (observation.target === position.stable) return undefined;
  return { reason: 'TargetChanged', message: `the spec to describe ${position.stable} again` };
}

/** The result of the Job decides which contract migrations are pending. */
function windowEnding(context: ContractContext): ContractFinding | undefined {
  const stage = endingStage(context);
  if (!stage) return undefined;
  return { reason: 'WindowEnding', message: `the ${stage} of earlier contract migrations to finish` };
}

function soaking({ soakLeftMs, position, spec }: ContractContext): ContractFinding | undefined {
  if (soakLeftMs <= 0) return undefined;
  return {
    reason: 'Soaking',
    message: `the soak of ${(spec.contractDelayMs ?? 0) / 1000} s to end, started at ${position.promotedAt}`,
  };
}

function windowClosed(context: ContractContext): ContractFinding | undefined {
  const waitingFor = context.observation.gate?.held.Contract;
  return waitingFor && !hasStarted(context) ? { reason: 'WindowClosed', message: waitingFor } : undefined;
}

/**
 * A contract that has started is completed: a partial one is worse. The hook is its start: otherwise contract would
 * never run if the backup takes longer than the window. A backup that is outdated starts another run, in a window.
 */
function hasStarted({ position, contract: { hook }, now }: ContractContext): boolean {
  const { stable, contracted } = position;
  if (contracted?.revision === stable && !contracted?.done) return true;
  return hook === 'Running' || (hook === 'Succeeded' && !isOutdated(position, now));
}

/** A Job that failed permanently is retried after an approval. */
function jobFailed(context: ContractContext): ContractFinding | undefined {
  const { contract } = context;
  if (contract.state !== 'Failed' && contract.hook !== 'Failed') return undefined;
  if (isApproved(context)) return undefined;
  const what = contract.hook === 'Failed' ? 'beforeContract' : 'contract';
  return { reason: 'JobFailed', message: `kubectl pcf migrate approve, because ${what} failed` };
}

function approvalNeeded(context: ContractContext): ContractFinding | undefined {
  if (!context.spec.approval || isApproved(context)) return undefined;
  return { reason: 'ApprovalNeeded', message: 'kubectl pcf migrate approve, which starts contract' };
}

/** Identifies the contract of this promotion, and its attempt. */
function approvalId({ position: { stable, promotedAt }, contract }: ContractContext): string {
  return `${stable}@${promotedAt}/contract/${contract.attempt}`;
}

function isApproved(context: ContractContext): boolean {
  return context.spec.requests.approve === approvalId(context);
}

/**
 * Any pod of another revision, even if unready or terminating, may use what contract removes. The record of a
 * revision may be deleted before its last pod.
 */
function podsTerminating({ observation, revisions, position }: ContractContext): ContractFinding | undefined {
  const after = startedContract(revisions, position, 0);
  const recorded = revisions.filter(({ replicas, ready, pods = 0 }) => replicas + ready + pods > 0);
  const blocking = [...recorded.map(({ name }) => name), ...(observation.unrecorded ?? [])].find(
    (name) => !canRunAfter(revisions, position.knownMigrations, name, after),
  );
  return blocking
    ? { reason: 'PodsTerminating', message: `the last pod of ${blocking} to terminate` }
    : undefined;
}

/** An old ReplicaSet may have no pod now, and create one that meets the contracted schema. */
function componentsUpdating({ observation, position }: ContractContext): ContractFinding | undefined {
  const [name] = observation.updating ?? [];
  return name
    ? { reason: 'ComponentsUpdating', message: `all pods of ${name} to run revision ${position.stable}` }
    : undefined;
}

function hookRunning({ contract }: ContractContext): ContractFinding | undefined {
  return contract.hook === 'Running'
    ? { reason: 'HookRunning', message: 'beforeContract to succeed' }
    : undefined;
}
