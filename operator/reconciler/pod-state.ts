/** What pods and endpoint slices say: which pods can be sent a request, and what ails the others. */
import type { Failure, RevisionView } from '../delivery/observation.js';
import { JOB_NAME } from '../migrations/job-view.js';
import { type Component, LABELS } from '../resources/metadata.js';
import type { KubeObject } from '../runtime/kube-client.js';
import { isPermanentPullFailure, isTransientPullFailure } from './image-pull.js';

interface ContainerState {
  running?: object;
  waiting?: { reason?: string; message?: string };
  terminated?: { reason?: string; message?: string; exitCode?: number; finishedAt?: string };
}

export interface ContainerStatus {
  ready?: boolean;
  restartCount?: number;
  state?: ContainerState;
  lastState?: ContainerState;
}

export interface Pod extends KubeObject {
  status?: {
    phase?: string;
    conditions?: { type: string; status: string; message?: string }[];
    containerStatuses?: ContainerStatus[];
    /** Include the sidecar that a webhook of a mesh adds. */
    initContainerStatuses?: ContainerStatus[];
  };
}

export interface EndpointSlice extends KubeObject {
  endpoints?: { conditions?: { ready?: boolean }; targetRef?: { kind?: string; name?: string } }[];
}

const SERVICE_NAME = 'kubernetes.io/service-name';

/**
 * Pods of a revision that the data plane sends requests to: ready, not being
 * deleted, and a ready endpoint of every Service that the router uses. A pod
 * that is Ready but not yet an endpoint can't be reached, so it does not count.
 */
export function readyPods(
  revision: string,
  pods: Pod[],
  slices: EndpointSlice[],
  services: string[],
): number {
  const endpoints = services.map((service) => readyEndpoints(service, slices));
  return pods.filter(
    (pod) =>
      pod.metadata.labels?.[LABELS.revision] === revision &&
      isReady(pod) &&
      endpoints.every((ready) => ready.has(pod.metadata.name)),
  ).length;
}

/** Pods of a revision that can receive requests. `isServing`: it receives requests now. */
export function readiness(
  revision: string,
  pods: Pod[],
  slices: EndpointSlice[],
  services: string[],
  isServing: boolean,
): Pick<RevisionView, 'ready' | 'awaitsEndpoints'> {
  if (!isServing || !lacksEndpoints(revision, pods, slices, services))
    return { ready: readyPods(revision, pods, slices, services) };
  const ready = readyPods(revision, pods, slices, []);
  return ready > 0 ? { ready, awaitsEndpoints: true } : { ready };
}

/** Whether a Service has no endpoint for any of the revision's pods, ready or not: it was just created. */
function lacksEndpoints(revision: string, pods: Pod[], slices: EndpointSlice[], services: string[]): boolean {
  const own = new Set(
    pods
      .filter(({ metadata }) => metadata.labels?.[LABELS.revision] === revision)
      .map(({ metadata }) => metadata.name),
  );
  return services.some(
    (service) =>
      !slices.some(
        ({ metadata, endpoints }) =>
          metadata.labels?.[SERVICE_NAME] === service &&
          endpoints?.some(({ targetRef }) => targetRef?.name && own.has(targetRef.name)),
      ),
  );
}

function readyEndpoints(service: string, slices: EndpointSlice[]): Set<string> {
  const ready = new Set<string>();
  for (const slice of slices) {
    if (slice.metadata.labels?.[SERVICE_NAME] !== service) continue;
    for (const { conditions, targetRef } of slice.endpoints ?? []) {
      if (conditions?.ready && targetRef?.name) ready.add(targetRef.name);
    }
  }
  return ready;
}

function componentOf({ metadata }: Pod): string | undefined {
  return metadata.labels?.[LABELS.component];
}

function hasEnded({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

function isReady(pod: Pod): boolean {
  const serving = componentOf(pod) === ('api' satisfies Component) && !pod.metadata.deletionTimestamp;
  return serving && reportsReady(pod);
}

function reportsReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

/** In the order in which they start. */
function containersOf({ status }: Pod): ContainerStatus[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
}

/**
 * The pods that run a revision's code, or may, by the revision they were made from: also those
 * that are not ready, or on their way out, and those of revisions that nobody has a record of.
 */
export function livingPods(pods: readonly Pod[]): Map<string, number> {
  const living = new Map<string, number>();
  for (const pod of pods) {
    const revision = pod.metadata.labels?.[LABELS.revision];
    if (!revision || componentOf(pod) === ('migration' satisfies Component) || hasEnded(pod)) continue;
    living.set(revision, (living.get(revision) ?? 0) + 1);
  }
  return living;
}

const MAX_MESSAGE = 300;

/**
 * Why a pod does not serve, or migrate, if it says; undefined when all is well or it is just
 * starting. What a migration said at its end is told by its Job.
 */
export function podTrouble(pod: Pod): string | undefined {
  if (reportsReady(pod) || pod.metadata.deletionTimestamp) return undefined;
  const component = componentOf(pod);
  if (!component || (component === 'migration' && hasEnded(pod))) return undefined;
  const unscheduled = pod.status?.conditions?.find(
    ({ type, status }) => type === 'PodScheduled' && status === 'False',
  );
  if (unscheduled?.message) return `${pod.metadata.name} can't be scheduled: ${clip(unscheduled.message)}`;
  for (const status of containersOf(pod)) {
    const words = lastWords(status);
    const waiting = status.state?.waiting;
    if (waiting?.reason && waiting.reason !== 'ContainerCreating' && waiting.reason !== 'PodInitializing') {
      const retry = isTransientPullFailure(waiting.reason, waiting.message) ? retryOf(component) : '';
      return `${pod.metadata.name}: ${waiting.reason}${retry}${words || waiting.message ? `: ${clip(words ?? waiting.message ?? '')}` : ''}`;
    }
    if (words) return `${pod.metadata.name}: ${clip(words)}`;
  }
  return undefined;
}

/** The worker and the login follow the stable revision: no deadline aborts them. */
function retryOf(component: string): string {
  return component === 'worker' || component === 'auth' ? ' (retried)' : ' (retried until progressDeadline)';
}

/** Restarts after which a container that ends by itself is not expected to come up. */
const CRASHES = 3;

/** Why the pods of a revision won't become ready by waiting. */
export function podFailure(revision: string, pods: readonly Pod[]): Failure | undefined {
  return failureOf(
    pods.filter((pod) => pod.metadata.labels?.[LABELS.revision] === revision && componentOf(pod) === 'api'),
  );
}

/**
 * Why a component such as the worker does not run: one of its pods can't start, even if an older one
 * is ready, or no pod is ready.
 */
export function componentTrouble(component: Component, pods: readonly Pod[]): string | undefined {
  const own = pods.filter((pod) => componentOf(pod) === component && !pod.metadata.deletionTimestamp);
  const failing = own.find((pod) => failureReason(pod));
  if (failing) return podTrouble(failing);
  if (own.some(reportsReady)) return undefined;
  const [first] = own.flatMap((pod) => podTrouble(pod) ?? []);
  return first;
}

/** Why the pod of a Job won't begin by waiting. That it ran and failed is for the Job to judge. */
export function jobPodFailure(job: string, pods: readonly Pod[]): Failure | undefined {
  return failureOf(pods.filter((pod) => isOfJob(pod, job) && !hasEnded(pod)));
}

export function isOfJob({ metadata }: Pod, job: string): boolean {
  return metadata.labels?.[JOB_NAME] === job;
}

/**
 * They crash again and again, or their image can't be had. Half of them must be so: one
 * may stand on a bad node.
 */
function failureOf(pods: readonly Pod[]): Failure | undefined {
  const own = pods.filter(({ metadata }) => !metadata.deletionTimestamp);
  const failing = own.flatMap((pod) => {
    const reason = failureReason(pod);
    return reason ? [{ reason, pod }] : [];
  });
  const [first] = failing;
  if (!first || 2 * failing.length < own.length) return undefined;
  const [createdAt = ''] = failing.map(({ pod }) => pod.metadata.creationTimestamp ?? '').sort();
  const message = podTrouble(first.pod) ?? first.pod.metadata.name;
  return { reason: first.reason, message, ...(createdAt ? { since: endOfSecond(createdAt) } : {}) };
}

/** Kubernetes notes whole seconds: a pod made right after its delivery began would seem to be older. */
function endOfSecond(timestamp: string): string {
  return new Date(Date.parse(timestamp) + 999).toISOString();
}

function failureReason(pod: Pod): 'CrashLoop' | 'ImagePullFailed' | undefined {
  if (reportsReady(pod)) return undefined;
  for (const { state, restartCount = 0 } of containersOf(pod)) {
    const { reason, message } = state?.waiting ?? {};
    if (reason === 'CrashLoopBackOff' && restartCount >= CRASHES) return 'CrashLoop';
    if (reason && isPermanentPullFailure(reason, message)) return 'ImagePullFailed';
  }
  return undefined;
}

/** What the container's last run left in its termination message. */
export function lastWords({ state, lastState }: ContainerStatus): string | undefined {
  return state?.terminated?.message ?? lastState?.terminated?.message ?? undefined;
}

function clip(text: string): string {
  const line = text.trim().split('\n').at(-1) ?? '';
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE)}…` : line;
}
