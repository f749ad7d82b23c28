/** The input of the planner: revisions, their pods and migrations, and the route. Plain data: no clock, no Kubernetes objects. */
import type { Reason } from '../api/v1alpha1/reasons.js';
import type { DeliveryPosition, PositionRecord } from '../api/v1alpha1/status/delivery-position.js';
import type { JobPayloads } from '../api/v1alpha1/status/job-payloads.js';
import type { BackfillStatus } from '../api/v1alpha1/status/migration.js';
import type { RecordedSchemaCheck } from '../api/v1alpha1/status/schema-check.js';
import type { GateView } from './windows/gate.js';

/** State of expand and backfill together. `Planned`: they wait for an approval. */
export type MigrationState = 'Disabled' | 'Pending' | 'Planned' | 'Running' | 'Succeeded' | 'Failed';

/**
 * Stage of a migration Job. `plan` changes nothing; `hook` must succeed before contract; `restore` and `purge` end the
 * window after contract.
 */
export type MigrationStage = 'plan' | 'expand' | 'backfill' | 'hook' | 'contract' | 'restore' | 'purge';

export interface MigrationJob {
  revision: string;
  stage: MigrationStage;
  /** From 1. A failed Job is not changed: a retry is another Job. */
  attempt: number;
  /** Of a restore: the contract migrations that it reverses. */
  migrations?: readonly string[];
  /** Of a hook: its number within the attempt, from 1. Default: 1. */
  run?: number;
}

export type JobState = 'Absent' | 'Running' | 'Succeeded' | 'Failed';

/** State of the contract of a revision. */
export interface ContractView {
  state: JobState;
  /** State of what must succeed before it. */
  hook: JobState | 'Disabled';
  /** Number of the run of the hook within the attempt, from 1. Default: 1. */
  hookRun?: number;
  /** Time of its success, if its controller reports one. */
  hookFinishedAt?: string;
  /** Number of its next Job. */
  attempt: number;
  /** Undefined if it has hidden nothing. */
  window?: WindowView;
}

/** State of the window after a contract. After a restore, the state of the contract is Absent. */
export interface WindowView {
  /** Number of its next Job. */
  attempt: number;
  /** What the contract has hidden, as reported by its Job. */
  hidden: NonNullable<NonNullable<DeliveryPosition['contracted']>['hidden']>;
  restore: JobState;
  purge: JobState;
  /** Creation of the Job of restore or purge that succeeded, by the clock of the API server. */
  jobCreatedAt?: string;
}

/** Why a revision can't be delivered. */
export interface Failure {
  reason: Reason;
  message: string;
  /** Time of the evidence, if known. Evidence from before the delivery does not count. */
  since?: string;
}

/** One revision according to the caches. */
export interface RevisionView {
  name: string;
  /** Desired pods of its Deployment; 0 without a Deployment. */
  replicas: number;
  /** Pods that the data plane can send requests to now. */
  ready: number;
  /**
   * The revision serves, and a new Service that its route needs has no endpoints yet. `ready` then counts its ready
   * pods, because the route in effect reaches them.
   */
  awaitsEndpoints?: true;
  migration: MigrationState;
  /** The next Job of its migrations; undefined while one runs, or if none is left. Default: there is none. */
  nextStage?: 'plan' | 'expand' | 'backfill';
  nextAttempt?: number;
  /** Contract migrations of its image that the database does not have; undefined: not reported yet. */
  contracts?: string[];
  /** Migrations of the database that its image does not have. */
  ahead?: string[];
  /** Its expand succeeded without a readable report. */
  unreported?: boolean;
  /** Whether its expand reported a backfill, or may have. */
  backfill?: boolean;
  /** Progress of the newest backfill. */
  progress?: BackfillStatus;
  contract?: ContractView;
  /** Breaking changes of its GraphQL schema that clients use, as its expand reported; undefined without a report. */
  schemaCheck?: RecordedSchemaCheck;
  /** Payload versions of the jobs of its image, as its expand reported; undefined without a report. */
  jobs?: JobPayloads;
  /** Its workers, if the worker is part of the delivery. */
  workers?: {
    /** Desired pods of its Deployment. */
    replicas: number;
    ready: number;
    /** They cannot start: `redis` was added to the spec after the revision. */
    lacksRedis?: true;
  };
  /** Number of its record. */
  number?: number;
  image?: string;
  /** All of its pods that exist, ready or not, except those of migrations. */
  pods?: number;
  /** Number of failed migration Jobs. */
  failedMigrations?: number;
  /** Number of its last attempt at migrations. */
  lastMigration?: number;
  /** The part of an earlier position in its record. */
  record?: PositionRecord;
  /** A permanent failure: a crash loop, an image that can't be pulled, a failed migration. */
  failure?: Failure;
}

/** Shares of the traffic in percent, which add up to 100, and the target of requests with the canary header. */
export interface RouteView {
  weights: Record<string, number>;
  header?: string;
  /**
   * The revision that Service `<name>` selects while several have a share; `*`: all of them. Otherwise the Service
   * selects the revision that has the whole traffic.
   */
  service?: string;
  /** Percent of all requests that are copied to the revision of the header. */
  mirror?: number;
  /** Name of the cookie that keeps users at a revision; undefined: each request is distributed by the weights. */
  sticky?: string;
  /** No router: requests are distributed over all ready pods, which determine the weights. */
  byPods?: true;
}

/** The verdict of the analysis on the new revision. */
export interface AnalysisView {
  verdict: 'Running' | 'Passed' | 'Failed' | 'Inconclusive' | 'Unavailable';
  message: string;
  /** Start of the step, see {@link DeliveryPosition.stepSince}: older measurements do not count. */
  stepSince?: string;
}

export interface Observation {
  /** The revision that the spec describes. */
  target: string;
  revisions: RevisionView[];
  /** Revisions without a record that still have pods. */
  unrecorded?: string[];
  /** Deployments of components that have not rolled to the stable revision yet. */
  updating?: string[];
  /** The position according to `status.delivery`. */
  position: DeliveryPosition;
  /** The route as it was read back; undefined if there is none. */
  route?: RouteView;
  /** Why the planned route can't take effect, if known. */
  routeTrouble?: string;
  /** Message of the controller that rejects the route; undefined if it accepts the route or reports nothing. */
  routeRejected?: string;
  /** Time since the last change of the route, as observed by this process. In milliseconds. */
  routeAgeMs: number;
  /** Whether everything that a new pod needs exists (its Secrets). */
  startable: boolean;
  /** Whether the class of a Gateway lacks a feature that the spec requires. */
  isUnsupported?: boolean;
  /** Undefined without an analysis. */
  analysis?: AnalysisView;
  /**
   * The system clock, for times that others compare with it. In milliseconds since the epoch. Default: the time of the
   * plan, which is monotonic within a process.
   */
  systemNow?: number;
  /** Steps that windows and freezes hold now; undefined without any. */
  gate?: GateView;
}
