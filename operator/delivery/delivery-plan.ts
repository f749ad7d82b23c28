/** The result of the planner. Plain data: no clock, no Kubernetes objects. */
import type { GatedStep } from '../api/v1alpha1/spec/windows.js';
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { TrafficStatus } from '../api/v1alpha1/status.js';
import type { MigrationJob, RouteView } from './observation.js';
import type { SchemaInUse } from './schema-check.js';

/** The current step of a delivery, for the status. */
export interface StepView {
  /** From 0; `of` when all are completed. */
  index: number;
  of: number;
  weight: number;
  /** When its weight became effective. */
  since?: string;
  /** Condition that it waits for. */
  waitingFor?: string;
}

/** A step that a closed window holds. */
export interface HeldStep {
  step: Exclude<GatedStep, 'Contract' | 'Purge'>;
  revision: string;
  /** `the window that opens at <time> (<source>)`. */
  waitingFor: string;
}

export interface DeliveryPlan {
  position: DeliveryPosition;
  /** The revision to prepare: before it gets pods, its ConfigMap must exist and its migrations must have run. */
  migrate?: string;
  /** The migration Job that must run now, unless it exists already. */
  job?: MigrationJob;
  /** What the pending contract waits for, and when the soak ends. */
  contract?: { waitingFor?: string; at?: string };
  /** The restore that the revision in the spec waits for: message, the object of "waits for". */
  restoring?: string;
  /** Identifies the required approval, see {@link Requests.approve}. */
  approval?: string;
  /** Why the revision that the spec describes is rejected: it can't run with the schema. */
  refused?: string;
  /** Breaking changes of the GraphQL schema of the new revision that clients use. */
  schemaInUse?: SchemaInUse;
  /** Jobs that one of the two revisions queues and the other one cannot process: the weight stays at 0. */
  jobsIncompatible?: string;
  /** Pods per revision. Other revisions are removed. */
  replicas: Record<string, number>;
  /** Workers per revision, if the worker is part of the delivery. Others are removed. */
  workers?: Record<string, number>;
  /** The route that must be in effect; undefined if no pod can serve. */
  route?: RouteView;
  /** Message with the condition for writing the route. Until it is met, everything that serves traffic is unchanged. */
  routeWaitsFor?: string;
  traffic: TrafficStatus;
  step?: StepView;
  /** What the promotion waits for, when all steps are completed. */
  promotionWaitsFor?: string;
  /** The step that only a closed window holds. Contract reports its own in `contract`. */
  held?: HeldStep;
  /** The progress deadline of a first revision has expired. It is not aborted, because no other revision can serve. */
  overdue?: string;
  /** Decisions of this plan, for Events and records; empty in steady state. */
  decisions: Decision[];
  /** When to plan again without an event. In milliseconds. */
  requeueAfterMs?: number;
}

export type Decision =
  | { type: 'Started'; revision: string; undo?: boolean }
  | { type: 'StepCompleted'; revision: string; step: number; of: number; next: number; by?: string }
  | { type: 'ApprovalRequested'; revision: string; step: number; of: number }
  | { type: 'Cancelled'; revision: string }
  | { type: 'Superseded'; revision: string; by: string }
  | { type: 'Aborted'; revision: string; reason: string; message: string }
  | { type: 'Promoted'; revision: string; undone?: string }
  | { type: 'ContractCancelled'; revision: string; by: string }
  | { type: 'ContractStarted'; revision: string; migrations: string[] }
  | { type: 'ContractRestored'; revision: string; migrations: string[] };
