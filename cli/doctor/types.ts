import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import { isForbidden, type KubeClient } from '../../operator/runtime/kube-client.js';

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

/** The same check for somebody who may not look at everything: then nothing is said of it. */
export function asAllowed(name: string, check: Check): Check {
  return (patient) =>
    check(patient).catch((error: unknown) => {
      if (!isForbidden(error)) throw error;
      return { check: name, outcome: 'skipped', message: `your own account may not look: ${error.message}` };
    });
}
