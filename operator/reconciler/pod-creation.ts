/** Pods that a controller can't create: a quota, a LimitRange, PodSecurity or a policy rejects them. Pure. */
import type { Job } from '../migrations/job-view.js';
import { hasEnded } from '../migrations/job-view.js';
import { withoutPorts } from '../runtime/kube-error.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { isOfJob, type Pod } from './pod-state.js';

/** A Job whose pod should exist, and does not. */
export interface PodlessJob {
  namespace: string;
  name: string;
  uid: string;
  /** A report from before this time is about an earlier pod. */
  since: string;
}

interface Workload extends KubeObject {
  status?: { conditions?: { type: string; status: string; message?: string }[] };
}

/** Pods of Jobs that the cache does not have, such as those of an analysis, are counted by the Job's controller. */
export function podlessJobs(jobs: readonly KubeObject[], pods: readonly Pod[]): PodlessJob[] {
  return jobs.flatMap((job) => {
    const { namespace = '', name, uid = '', creationTimestamp = '', deletionTimestamp } = job.metadata;
    if (hasEnded(job) || deletionTimestamp || (job as Job).status?.active) return [];
    const own = pods.filter((pod) => isOfJob(pod, name));
    if (own.some(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed')) return [];
    const since = own.reduce(
      (last, { metadata }) => later(last, metadata.creationTimestamp),
      creationTimestamp,
    );
    return [{ namespace, name, uid, since }];
  });
}

function later(one: string, other = ''): string {
  return one > other ? one : other;
}

/** Why pods of a Deployment can't be created, as reported by its controller. */
export function replicaFailure(deployment: KubeObject): string | undefined {
  const condition = (deployment as Workload).status?.conditions?.find(
    ({ type, status }) => type === 'ReplicaFailure' && status === 'True',
  );
  return condition && creationFailure(condition.message ?? 'ReplicaFailure');
}

/**
 * Removes the name of the pod and the port of a connection to a webhook, which differ at each attempt:
 * the status would be written each time.
 */
export function creationFailure(message: string): string {
  return withoutPorts(message)
    .replace(/^(\(combined from similar events\): )?Error creating: /, '')
    .replace(/\bpods "[^"]*"/g, 'pod');
}
