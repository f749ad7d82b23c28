import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import { isForbidden, type KubeClient } from '../../operator/runtime/kube-client.js';

/** `warn`: not urgent. `fail`: must be fixed. `skipped`: not checked, the message has the reason. */
export type Outcome = 'ok' | 'warn' | 'fail' | 'skipped';

export interface Finding {
  check: string;
  outcome: Outcome;
  message: string;
  /** How to fix it. */
  remedy?: string;
}

export interface Subject {
  client: KubeClient;
  api: PcfApi;
  /** Whether the object is in the cluster. Otherwise it was read from a file. */
  applied: boolean;
  /** Namespace of the operator. */
  operatorNamespace: string;
  /** Whether to connect to the database. */
  connect: boolean;
  /** Whether to run a command in a pod, which connects to the servers of its settings. */
  fromPod: boolean;
  /** URL of Prometheus; default: that of the analysis in the spec. */
  prometheus?: string;
  /** URL of Loki. */
  loki?: string;
}

export type Check = (subject: Subject) => Promise<Finding | Finding[]>;

/** Reports the check as skipped if the caller lacks permissions. */
export function asAllowed(name: string, check: Check): Check {
  return (subject) =>
    check(subject).catch((error: unknown) => {
      if (!isForbidden(error)) throw error;
      return { check: name, outcome: 'skipped', message: `your account lacks permissions: ${error.message}` };
    });
}
