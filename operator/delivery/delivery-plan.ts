/** What the planner returns. Plain data: no clock, no Kubernetes objects. */
import type { DeliveryPosition, TrafficStatus } from '../api/v1alpha1/status.js';
import type { MigrationJob, RouteView } from './observation.js';

/** The step that a delivery is at, for people. */
export interface StepView {
  /** From 0; `of` when all are done. */
  index: number;
  of: number;
  weight: number;
  /** When its weight was first in force. */
  since?: string;
  /** What it waits for, in words. */
  waitingFor?: string;
}

export interface DeliveryPlan {
  position: DeliveryPosition;
  /** The revision that is prepared: its settings must be there, and its migrations run, before it gets pods. */
  migrate?: string;
  /** The migration Job that must run now, unless it was made already. */
  job?: MigrationJob;
  /** What is still to be contracted, and what that waits for. */
  contract?: { waitingFor?: string; at?: string };
  /** What waits to be approved, see {@link Requests.approve}. */
  approval?: string;
  /** Why the revision that the spec asks for is not delivered: it can't live with the schema. */
  refused?: string;
  /** Pods per revision. A revision that is not named here is removed. */
  replicas: Record<string, number>;
  /** The route that must be in force; undefined while nothing can serve. */
  route?: RouteView;
  /** Message with the condition for writing the route. Until it is met, everything that serves traffic is unchanged. */
  routeWaitsFor?: string;
  traffic: TrafficStatus;
  step?: StepView;
  /** What the promotion waits for, in words, when everything else is done. */
  promotionWaitsFor?: string;
  /** The progress deadline of a first revision has expired. It is not aborted, because no other revision can serve. */
  overdue?: string;
  /** What this plan decided, for events and records; empty in steady state. */
  decisions: Decision[];
  /** When to plan again though nothing happens. In milliseconds. */
  requeueAfterMs?: number;
}

export type Decision =
  | { type: 'Started'; revision: string; undo?: boolean }
  | { type: 'StepCompleted'; revision: string; step: number; of: number; next: number }
  | { type: 'Cancelled'; revision: string }
  | { type: 'Superseded'; revision: string; by: string }
  | { type: 'Aborted'; revision: string; reason: string; message: string }
  | { type: 'Promoted'; revision: string; undone?: string }
  | { type: 'ContractCancelled'; revision: string; by: string }
  | { type: 'ContractStarted'; revision: string; migrations: string[] };
