import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import type { KubeClient } from '../../operator/runtime/kube-client.js';

/** `warn` can wait, `fail` can't; `skipped` could not be looked at, and says why. */
export type Outcome = 'ok' | 'warn' | 'fail' | 'skipped';

export interface Finding {
  check: string;
  outcome: Outcome;
  message: string;
  /** What to do about it. */
  remedy?: string;
}

export interface Patient {
  client: KubeClient;
  api: PcfApi;
  /** Whether the object is in the cluster, or only in a file yet. */
  applied: boolean;
  /** Where the operator runs. */
  operatorNamespace: string;
  /** Whether the database may be connected to from here. */
  connect: boolean;
}

export type Check = (patient: Patient) => Promise<Finding | Finding[]>;
