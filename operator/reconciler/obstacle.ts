/** What keeps an object from being written, as what the one who reads the status should know. */
import { ReconcileError, type Return, TerminalError } from '../runtime/controller.js';
import {
  isConnectionError,
  isForbidden,
  isInvalid,
  isServerError,
  KubeApiError,
} from '../runtime/kube-client.js';
import { withoutPorts } from '../runtime/kube-error.js';
import { NotLeaderError } from '../runtime/leader-election.js';
import { NameConflictError, WriteFailedError } from './act.js';
import type { Summary } from './summary.js';

export interface Obstacle {
  reason: string;
  message: string;
  /** Whether it may pass without anybody's doing. */
  passes: boolean;
}

/** Nothing here tells that the API server, or a webhook, is well again. */
export const RETRY_WITHIN_MS = 30_000;

/** Undefined for what says nothing about an object, as when the API server is away: no status could be written. */
export function obstacleOf(error: unknown): Obstacle | undefined {
  const stays = (reason: string, message: string): Obstacle => ({ reason, message, passes: false });
  if (error instanceof NameConflictError) return stays('NameConflict', error.message);
  if (isInvalid(error))
    return stays('Invalid', `the API server refuses what the spec leads to: ${error.message}`);
  if (isForbidden(error))
    return stays('Forbidden', `the operator lacks a right, or a quota is used up: ${error.message}`);
  if (!(error instanceof WriteFailedError)) return undefined;
  const isWebhook = /webhook/i.test(error.answer);
  return {
    reason: isWebhook ? 'WebhookFailed' : 'ApiServerError',
    message: `${error.object} can't be written and is tried again: ${withoutPorts(error.answer)}`,
    passes: true,
  };
}

/** The API server rejects the status of a PcfApi that it accepted. */
export class StatusRejectedError extends Error {
  override readonly name = 'StatusRejectedError';
}

/**
 * The report for a reconcile that failed without one: no plan was computed, or its status was rejected.
 * Undefined if no status can be written, or if the next attempt reads a newer version.
 */
export function failureReport(error: unknown): Obstacle | undefined {
  if (error instanceof ReconcileError || error instanceof NotLeaderError || isConnectionError(error))
    return undefined;
  const obstacle = obstacleOf(error);
  if (obstacle || error instanceof KubeApiError) return obstacle;
  return {
    reason: 'ReconcileFailed',
    message: `the operator failed and retries with backoff: ${withoutPorts(String(error))}`,
    passes: false,
  };
}

/** The verdict on a PcfApi that meets the obstacle, where there was one of what was planned. */
export function facing({ reason, message, passes }: Obstacle, planned: Summary, since: string): Summary {
  const told = { reason, message: `${message} (since ${since})`, unwritten: true as const };
  if (!passes) return { phase: 'Failed', ...told, verdict: 'Failed' };
  if (planned.verdict === 'Failed') return planned;
  const phase = planned.verdict === 'Current' ? 'Degraded' : planned.phase;
  return { phase, ...told, verdict: 'InProgress' };
}

/** The end of a change freeze causes no event here, and an abort must not wait long after it. */
const POLICY_RETRY_MS = 5_000;

/**
 * Whether a policy or an admission webhook denied the write. A ValidatingAdmissionPolicy answers 422 by
 * default, as an object that breaks its schema does: only the message names the policy.
 */
function isDeniedByPolicy(error: unknown): boolean {
  if (!isInvalid(error) && !isForbidden(error)) return false;
  return /ValidatingAdmissionPolicy|admission webhook/.test((error as Error).message);
}

/** The error for the queue. A permission that is granted causes no event here, so the write is retried. */
export function failureOf(error: unknown, message: string, lookAgainMs?: number): ReconcileError {
  if (isDeniedByPolicy(error))
    return new ReconcileError(message, error, { lookAgainMs, retryWithinMs: POLICY_RETRY_MS });
  if (isInvalid(error)) return new TerminalError(message, error, { lookAgainMs });
  return new ReconcileError(message, error, { lookAgainMs, ...retry(error) });
}

/** What the API server failed at is tried again soon, however long that has been so. */
export function bounded(error: unknown): unknown {
  if (error instanceof ReconcileError) return error;
  const { retryWithinMs } = retry(error);
  return retryWithinMs ? new ReconcileError((error as Error).message, error, { retryWithinMs }) : error;
}

function retry(error: unknown): Return {
  const isPassing = error instanceof WriteFailedError || isServerError(error) || isConnectionError(error);
  // A name that becomes available causes no event of this PcfApi.
  return isPassing || error instanceof NameConflictError ? { retryWithinMs: RETRY_WITHIN_MS } : {};
}
