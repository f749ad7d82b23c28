/** The spec of a PcfApi as the planner reads it: every strategy is reduced to stages, pods and delays. */

/** A step: a share of the traffic, and the conditions for the next step. */
export interface Stage {
  /** Share of the new revision, in percent. */
  weight: number;
  /** How long to stay once the share is effective. In milliseconds. */
  holdMs: number;
  /** Whether the next step waits for `kubectl pcf promote`. */
  pause: boolean;
}

/** Requests by annotation. Each names one delivery, see {@link deliveryId}: it does not apply to the next one. */
export interface Requests {
  /** `<delivery>/<strategy>/<step>`, the same with `/<start of the wait>`, or `<delivery>/full`. */
  promote?: string;
  /** `<delivery>`. */
  abort?: string;
  /** `<delivery>/expand`, or `<stable revision>@<time of its promotion>/contract/<attempt>`. */
  approve?: string;
  /** `<revision>@<time of the failure>`. */
  retry?: string;
  /** The image whose schema changes are approved. */
  approveSchema?: string;
  /** Who promoted or aborted with an approval link. */
  decidedBy?: string;
}

export type StrategyType = 'Canary' | 'BlueGreen' | 'RollingUpdate';

export interface DeliverySpec {
  strategy: StrategyType;
  /** Pods for the whole traffic. */
  replicas: number;
  /** 0-100, overrides the stages; undefined: the stages decide. */
  canaryWeight?: number;
  stages: readonly Stage[];
  /** Pods of the new revision before its promotion: as its share needs, as many as the stable one, or a number. */
  canaryPods: 'share' | 'full' | number;
  /** Percent of the requests that are copied to the new revision, in addition to its share. */
  mirror?: number;
  /** False: the route cannot have a rule for the canary header. */
  hasHeaderRule?: boolean;
  /** Name of the cookie that keeps users at a revision; undefined: users are not sticky. */
  stickyCookie?: string;
  /** Pods beyond `replicas` that both revisions may have together; undefined: no limit. */
  maxSurge?: number;
  /** Ready pods that may be missing from `replicas`. */
  maxUnavailable: number;
  paused: boolean;
  /** `exact`: a router splits by weight. `replicas`: the share is the number of ready pods. */
  split: 'exact' | 'replicas';
  /** How long a revision without traffic retains its pods, so that an undo is instant. In milliseconds. */
  retireDelayMs: number;
  /** Maximum time from reading back a route until the data plane has applied it. In milliseconds. */
  settleMs: number;
  /** Maximum time without progress of the pods. In milliseconds. */
  progressDeadlineMs: number;
  /** Whether migrations require an approval. */
  approval?: boolean;
  /** Time from a promotion to contract. In milliseconds; undefined: contract is disabled. */
  contractDelayMs?: number;
  /** Check of the GraphQL schema; undefined: none. */
  schemaCheck?: { mode: 'Block' | 'Warn' | 'Off'; ignoreClients: readonly string[] };
  /** Manual promotions are announced; their approval links expire after this time. In milliseconds; undefined: no links. */
  announceApprovals?: { linksExpireAfterMs?: number };
  /** The worker is part of the delivery; undefined: it stays on the stable revision until the promotion. */
  workers?: {
    /** Workers of both revisions together. */
    replicas: number;
    /** Weight from which the new revision has workers, in percent. */
    minWeight: number;
  };
  requests: Requests;
}
