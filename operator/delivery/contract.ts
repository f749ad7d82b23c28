/** When the schema may be contracted: after the promotion and the soak, when nothing is left that needs what goes. */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import type { DeliverySettings } from './delivery-spec.js';
import type { ContractView, MigrationJob, Observation } from './observation.js';
import { view } from './revision-view.js';
import { begunContract, livesWithout, pendingContracts } from './rollback-floor.js';

export interface ContractPlan {
  position: DeliveryPosition;
  /** The Job that is to run now. */
  job?: MigrationJob;
  /** What it waits for, in words. */
  waitingFor?: string;
  /** When the soak ends. */
  at?: string;
  wakeMs?: number;
  /** What somebody must approve of. */
  approval?: string;
}

interface Case {
  seen: Observation;
  position: DeliveryPosition;
  settings: DeliverySettings;
  contract: ContractView;
  soakLeftMs: number;
}

/** What keeps contract from running, in words: the first that holds is told. */
type Rule = (given: Case) => string | undefined;
const rules: Rule[] = [paused, delivering, soaking, failed, unapproved, oldPods, followers, hook];

export function contract(
  seen: Observation,
  before: DeliveryPosition,
  settings: DeliverySettings,
  now: number,
): ContractPlan {
  const { stable, update } = before;
  if (!stable || settings.contractDelayMs === undefined) return { position: before };
  const { contract = { state: 'Absent', hook: 'Disabled', attempt: 1 } as const } = view(seen, stable);
  const isOpen = before.contracted?.revision === stable && !before.contracted.done;
  if (pendingContracts(before).length === 0 && !isOpen) return { position: before };
  if (contract.state === 'Running') return { position: before };

  const position = { ...before, promotedAt: before.promotedAt ?? new Date(now).toISOString() };
  const soakLeftMs = Date.parse(position.promotedAt) + settings.contractDelayMs - now;
  const given: Case = { seen, position, settings, contract, soakLeftMs };
  const at = new Date(Date.parse(position.promotedAt) + settings.contractDelayMs).toISOString();
  for (const rule of rules) {
    const waitingFor = rule(given);
    if (!waitingFor) continue;
    const isAsked = rule === failed || rule === unapproved;
    const approval = isAsked ? contractId(position, contract.attempt) : undefined;
    return { position, waitingFor, approval, ...(update ? {} : { at, wakeMs: wakeMs(given) }) };
  }
  const job = { revision: stable, attempt: contract.attempt };
  if (contract.hook === 'Absent' || contract.hook === 'Failed')
    return { position, job: { ...job, stage: 'hook' } };
  const contracted = isOpen ? before.contracted : begunContract(seen, position, now);
  return { position: { ...position, contracted }, job: { ...job, stage: 'contract' } };
}

/** Interval for checking a soak that became longer than `contractDelay` because a clock was set back. */
const CLOCK_CHECK_MS = 1_000;

/** Only the soak ends by itself. A clock that was set back lengthens it, and nothing cuts it short. */
function wakeMs({ seen, position, settings, soakLeftMs }: Case): number | undefined {
  if (soakLeftMs > 0) return Math.min(soakLeftMs, Math.max(settings.contractDelayMs ?? 0, CLOCK_CHECK_MS));
  return isOnRecord(seen, position) ? undefined : 0;
}

/** A promotion that nobody would know of after a crash must not have taken the way back. */
function isOnRecord({ position: before }: Observation, { stable, promotedAt }: DeliveryPosition): boolean {
  return !before.update && before.stable === stable && before.promotedAt === promotedAt;
}

function paused({ settings }: Case): string | undefined {
  return settings.paused ? 'spec.paused to be taken out' : undefined;
}

/** An undo that is under way cancels the soak, and a delivery that failed is to be cleared up first. */
function delivering({ seen, position }: Case): string | undefined {
  if (position.update) return `the delivery of ${position.update} to end`;
  if (!isOnRecord(seen, position)) return 'the promotion to be on record';
  if (seen.target !== position.stable) return `the spec to ask for ${position.stable} again`;
  return undefined;
}

function soaking({ soakLeftMs, position, settings }: Case): string | undefined {
  if (soakLeftMs <= 0) return undefined;
  return `the soak of ${(settings.contractDelayMs ?? 0) / 1000} s to end, which began at ${position.promotedAt}`;
}

/** What failed for good is tried again when somebody says so. */
function failed({ contract, position, settings }: Case): string | undefined {
  if (contract.state !== 'Failed' && contract.hook !== 'Failed') return undefined;
  if (isApproved(position, settings, contract.attempt)) return undefined;
  const what = contract.hook === 'Failed' ? 'beforeContract' : 'contract';
  return `kubectl pcf migrate approve, as ${what} failed`;
}

function unapproved({ contract, position, settings }: Case): string | undefined {
  if (!settings.approval || isApproved(position, settings, contract.attempt)) return undefined;
  return 'kubectl pcf migrate approve, which lets contract run';
}

/** Names what is approved: the contract of this promotion, and its attempt. */
function contractId({ stable, promotedAt }: DeliveryPosition, attempt: number): string {
  return `${stable}@${promotedAt}/contract/${attempt}`;
}

function isApproved(position: DeliveryPosition, { requests }: DeliverySettings, attempt: number): boolean {
  return requests.approve === contractId(position, attempt);
}

/**
 * Ready or not, and on their way out too: as long as a pod runs, it may use what contract drops.
 * The record of a revision may be gone before its last pod is: that one speaks for itself.
 */
function oldPods({ seen, position }: Case): string | undefined {
  const after = begunContract(seen, position, 0);
  const recorded = seen.revisions.filter(({ replicas, ready, pods = 0 }) => replicas + ready + pods > 0);
  const old = [...recorded.map(({ name }) => name), ...(seen.strangers ?? [])].find(
    (name) => !livesWithout(seen.revisions, position.knownMigrations, name, after),
  );
  return old && `the last pod of ${old} to go`;
}

/** Between two pods of an old ReplicaSet there is none, and the next one would meet what contract left. */
function followers({ seen, position }: Case): string | undefined {
  const [name] = seen.following ?? [];
  return name && `all pods of ${name} to be of ${position.stable}`;
}

function hook({ contract }: Case): string | undefined {
  return contract.hook === 'Running' ? 'beforeContract to succeed' : undefined;
}
