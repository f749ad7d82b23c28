/** Errors that prevent a write, as reason and message for the status. */
import type { Reason } from '../api/v1alpha1/reasons.js';
import type { Finding } from '../delivery/rule-chain.js';
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
import type { Summary } from './summary-rule.js';

export interface Obstacle extends Finding<Reason> {
  /** Whether it can resolve without manual action. */
  isTransient: boolean;
}

/** No event is received when the API server or a webhook recovers. */
export const RETRY_WITHIN_MS = 30_000;

/** Undefined if the error is not about an object, for example if the API server is unavailable: no status could be written. */
export function obstacleOf(error: unknown): Obstacle | undefined {
  const permanent = (reason: Reason, message: string): Obstacle => ({ reason, message, isTransient: false });
  if (error instanceof NameConflictError) return permanent('NameConflict', error.message);
  if (isInvalid(error))
    return permanent('Invalid', `the API server rejects an object of this spec: ${error.message}`);
  if (isForbidden(error))
    return permanent(
      'Forbidden',
      `the operator lacks a permission, or a quota is exceeded: ${error.message}`,
    );
  if (!(error instanceof WriteFailedError)) return undefined;
  const isWebhook = /webhook/i.test(error.answer);
  return {
    reason: isWebhook ? 'WebhookFailed' : 'ApiServerError',
    message: `writing ${error.object} failed and is retried: ${withoutPorts(error.answer)}`,
    isTransient: true,
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
    message: `the reconcile failed and is retried with backoff: ${withoutPorts(String(error))}`,
    isTransient: false,
  };
}

/** Summary of a PcfApi whose plan could not be written because of the obstacle. */
export function withObstacle(
  { reason, message, isTransient }: Obstacle,
  planned: Summary,
  since: string,
): Summary {
  const report = { reason, message: `${message} (since ${since})`, unwritten: true as const };
  if (!isTransient) return { phase: 'Failed', ...report, verdict: 'Failed' };
  if (planned.verdict === 'Failed') return planned;
  const phase = planned.verdict === 'Current' ? 'Degraded' : planned.phase;
  return { phase, ...report, verdict: 'InProgress' };
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

/** Limits the backoff for failures of the API server, however long they have lasted. */
export function withBoundedRetry(error: unknown): unknown {
  if (error instanceof ReconcileError) return error;
  const { retryWithinMs } = retry(error);
  return retryWithinMs ? new ReconcileError((error as Error).message, error, { retryWithinMs }) : error;
}

function retry(error: unknown): Return {
  // A policy that is deleted, or a CRD that is updated, causes no event of this PcfApi.
  if (error instanceof StatusRejectedError)
    return { retryWithinMs: isDeniedByPolicy(error.cause) ? POLICY_RETRY_MS : RETRY_WITHIN_MS };
  const isPassing = error instanceof WriteFailedError || isServerError(error) || isConnectionError(error);
  // A name that becomes available causes no event of this PcfApi.
  return isPassing || error instanceof NameConflictError ? { retryWithinMs: RETRY_WITHIN_MS } : {};
}
