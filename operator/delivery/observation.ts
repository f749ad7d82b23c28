/** What the planner reads: the revisions, their pods and migrations, and the route. Plain data: no clock, no Kubernetes objects. */
import type { BackfillStatus, DeliveryPosition, PositionRecord } from '../api/v1alpha1/status.js';

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
