/** Who caused the outcome of a delivery, and who approved its steps with links. Pure. */
import type { DeliveryRecord } from '../../api/v1alpha1/status.js';

/** Undefined if nothing is recorded. */
export function authorsOf({ by, approvals = [] }: DeliveryRecord): string | undefined {
  const approvers = [...new Set(approvals.map((approval) => approval.by))];
  const approved = approvers.length > 0 ? `approved by ${approvers.join(' and ')}` : undefined;
  return [by, approved].filter(Boolean).join(', ') || undefined;
}
