/** What the spec of a PcfApi asks of a delivery: every strategy is reduced to stages, pods and delays. */

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
