/** What the delivery planner is told and what it answers. Plain data: no clock, no Kubernetes objects. */
import type {
  BackfillStatus,
  DeliveryPosition,
  PositionRecord,
  TrafficStatus,
} from '../api/v1alpha1/status.js';

/** Of expand and backfill together. `Planned`: they wait for somebody to approve of them. */
export type MigrationState = 'Disabled' | 'Pending' | 'Planned' | 'Running' | 'Succeeded' | 'Failed';

/** What a migration Job does. `plan` changes nothing; `hook` is what must have succeeded before contract. */
export type MigrationStage = 'plan' | 'expand' | 'backfill' | 'hook' | 'contract';

export interface MigrationJob {
  revision: string;
  stage: MigrationStage;
  /** Counts from 1: a Job that failed stays as it is, and another try is another Job. */
  attempt: number;
}

export type JobState = 'Absent' | 'Running' | 'Succeeded' | 'Failed';

/** How far the contract of a revision is. */
export interface ContractView {
  state: JobState;
  /** What must succeed before it. */
  hook: JobState | 'Disabled';
  /** Number of its next Job. */
  attempt: number;
}

/** Why a revision can't be delivered. */
export interface Failure {
  /** One CamelCase word. */
  reason: string;
  message: string;
  /** When what shows it came to be, as far as that is known: older than the delivery, it counts for nothing. */
  since?: string;
}

/** One revision as the caches show it. */
export interface RevisionView {
  name: string;
  /** Pods its Deployment asks for; 0 when it has no Deployment. */
  replicas: number;
  /** Pods that the data plane can send a request to now. */
  ready: number;
  /**
   * The revision serves, and a new Service that its route needs has no endpoints yet. `ready` then counts its ready
   * pods, because the route in effect reaches them.
   */
  awaitsEndpoints?: true;
  migration: MigrationState;
  /** The Job that brings its migrations further; undefined while one runs, or none is left. Default: there is none. */
  nextStage?: 'plan' | 'expand' | 'backfill';
  nextAttempt?: number;
  /** Contract migrations that its image knows and the database does not have; undefined: not told yet. */
  contracts?: string[];
  /** Migrations that the database has and its image does not know. */
  ahead?: string[];
  /** Its expand is done, and nobody can read what it said. */
  unreported?: boolean;
  /** Whether its expand told of a backfill, or may have. */
  backfill?: boolean;
  /** Progress of the newest backfill. */
  progress?: BackfillStatus;
  contract?: ContractView;
  /** Its number on record, and its image. */
  number?: number;
  image?: string;
  /** All of its pods that exist, ready or not, migrations left out. */
  pods?: number;
  /** Migration Jobs of it that failed. */
  failedMigrations?: number;
  /** Number of its last attempt at migrations. */
  lastMigration?: number;
  /** The part of an earlier position that is recorded at this revision. */
  record?: PositionRecord;
  /** Its pods crash again and again, or its image can't be pulled, or its migration failed for good. */
  failure?: Failure;
}

/** Who gets the traffic: shares in percent that add up to 100, and who gets the requests with the canary header. */
export interface RouteView {
  weights: Record<string, number>;
  header?: string;
  /**
   * The revision that Service `<name>` selects while several have a share; `*`: all of them. Otherwise the Service
   * selects the revision that has the whole traffic.
   */
  service?: string;
  /** Percent of the requests of which the header's revision gets a copy, whoever answers them. */
  mirror?: number;
  /** No router: every ready pod gets the same, so the weights are what the pods make them. */
  byPods?: true;
}

/** The judgement on the new revision so far. */
export interface AnalysisView {
  verdict: 'Running' | 'Passed' | 'Failed' | 'Inconclusive' | 'Unavailable';
  message: string;
  /** When the step began, see {@link DeliveryPosition.stepSince}, by measurements since which it judges. */
  stepSince?: string;
}

export interface Observation {
  /** The revision that the spec describes. */
  target: string;
  revisions: RevisionView[];
  /** Revisions that are not on record any more, and still have pods. */
  strangers?: string[];
  /** Deployments whose pods are still to follow the stable revision, so that some may come up as they were before. */
  following?: string[];
  position: DeliveryPosition;
  /** The route as it was read back; undefined before there is one. */
  route?: RouteView;
  /** Why the route can't be as it is planned, as far as that is known. */
  routeTrouble?: string;
  /** Message of the controller that rejects the route; undefined if it accepts the route or reports nothing. */
  routeRejected?: string;
  /** How long the route has been as it is, as far as this process knows. In milliseconds. */
  routeAgeMs: number;
  /** Whether all that a new pod needs is there (its Secrets). */
  startable: boolean;
  /** Undefined: nothing is analysed. */
  analysis?: AnalysisView;
}

/** A stretch of a delivery: a share, and what must be before the next one. */
export interface Stage {
  /** Share of the new revision, in percent. */
  weight: number;
  /** How long to stay once the share is in force. In milliseconds. */
  holdMs: number;
  /** Stay until somebody says continue. */
  pause: boolean;
}

/** What people ask for by name, see {@link deliveryId}: an old request means nothing to a new delivery. */
export interface Requests {
  /** `<delivery>/<strategy>/<step>`, or `<delivery>/full`. */
  promote?: string;
  /** `<delivery>`. */
  abort?: string;
  /** `<delivery>/expand`, or `<stable revision>@<when it was promoted>/contract/<attempt>`. */
  approve?: string;
  /** `<revision>@<when it failed>`. */
  retry?: string;
}

export type StrategyType = 'Canary' | 'BlueGreen' | 'RollingUpdate';

export interface DeliverySettings {
  strategy: StrategyType;
  /** Pods that carry the whole traffic. */
  replicas: number;
  /** 0-100, whatever the stages say; undefined: the stages drive. */
  canaryWeight?: number;
  stages: readonly Stage[];
  /** Pods of the new revision before it has everything: as its share needs, as many as the stable one, or a number. */
  canaryPods: 'share' | 'full' | number;
  /** Percent of the requests that are copied to the new revision, beside its share. */
  mirror?: number;
  /** Pods beyond `replicas` that both revisions may have together; undefined: what it takes. */
  maxSurge?: number;
  /** Pods below `replicas` that may be ready. */
  maxUnavailable: number;
  paused: boolean;
  /** `exact`: a router splits by weight. `replicas`: the share is the number of ready pods. */
  split: 'exact' | 'replicas';
  /** How long a revision without traffic keeps its pods, so that going back to it is instant. In milliseconds. */
  retireDelayMs: number;
  /** How long the data plane may take to act on a route that was read back. In milliseconds. */
  settleMs: number;
  /** How long pods may make no progress. In milliseconds. */
  progressDeadlineMs: number;
  /** Whether somebody must approve of migrations. */
  approval?: boolean;
  /** How long after a promotion the schema stays as it is. In milliseconds; undefined: for ever. */
  contractDelayMs?: number;
  requests: Requests;
}

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
