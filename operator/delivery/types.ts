/** What the delivery planner is told and what it answers. Plain data: no clock, no Kubernetes objects. */
import type { DeliveryPosition, TrafficStatus } from '../api/v1alpha1/status.js';

export type MigrationState = 'Disabled' | 'Pending' | 'Running' | 'Succeeded' | 'Failed';

/** One revision as the caches show it. */
export interface RevisionView {
  name: string;
  /** Pods its Deployment asks for; 0 when it has no Deployment. */
  replicas: number;
  /** Pods that the data plane can send a request to now. */
  ready: number;
  migration: MigrationState;
}

/** Who gets the traffic: shares in percent that add up to 100, and who gets the requests with the canary header. */
export interface RouteView {
  weights: Record<string, number>;
  header?: string;
  /** No router: every ready pod gets the same, so the weights are what the pods make them. */
  byPods?: true;
}

export interface Observation {
  /** The revision that the spec describes. */
  target: string;
  revisions: RevisionView[];
  position: DeliveryPosition;
  /** The route as it was read back; undefined before there is one. */
  route?: RouteView;
  /** Whether all that a new pod needs is there (its Secrets). */
  startable: boolean;
}

export interface DeliverySettings {
  /** Pods that carry the whole traffic. */
  replicas: number;
  /** 0-100; undefined: promote as soon as the pods are ready. */
  canaryWeight?: number;
  paused: boolean;
  /** `exact`: a router splits by weight. `replicas`: the share is the number of ready pods. */
  split: 'exact' | 'replicas';
  /** How long a revision without traffic keeps its pods, so that going back to it is instant. In milliseconds. */
  retireDelayMs: number;
}

export interface DeliveryPlan {
  position: DeliveryPosition;
  /** The revision whose migrations must have run before it gets pods. */
  migrate?: string;
  /** Pods per revision. A revision that is not named here is removed. */
  replicas: Record<string, number>;
  /** The route that must be in force; undefined while nothing can serve. */
  route?: RouteView;
  traffic: TrafficStatus;
  /** What this plan decided, for events; empty in steady state. */
  decisions: Decision[];
  /** When to plan again though nothing happens. In milliseconds. */
  requeueAfterMs?: number;
}

export type Decision =
  | { type: 'Started'; revision: string }
  | { type: 'CalledOff'; revision: string }
  | { type: 'Superseded'; revision: string; by: string }
  | { type: 'Promoted'; revision: string };
