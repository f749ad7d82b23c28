/** State of pods and EndpointSlices: which pods can receive requests, and why others can't. */
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
    /** Including the sidecar that the webhook of a service mesh adds. */
    initContainerStatuses?: ContainerStatus[];
  };
}

export interface EndpointSlice extends KubeObject {
  endpoints?: { conditions?: { ready?: boolean }; targetRef?: { kind?: string; name?: string } }[];
}

const SERVICE_NAME = 'kubernetes.io/service-name';

/**
 * Number of pods of a revision that the data plane can send requests to: ready, not terminating, and a ready
 * endpoint of every Service that the router uses. A ready pod that is no endpoint yet can't be reached.
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

/** Whether its condition Ready is True. */
export function reportsReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

/** In the order of their start. */
function containersOf({ status }: Pod): ContainerStatus[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
}

/**
 * Number of pods that run, or may run, the code of a revision, by revision: including unready and terminating ones,
 * and those of revisions without a record.
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
 * Why a pod does not serve, or does not migrate; undefined if it does, or is starting. The result of a migration
 * is reported by its Job.
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
    const message = terminationMessage(status);
    const waiting = status.state?.waiting;
    if (waiting?.reason && waiting.reason !== 'ContainerCreating' && waiting.reason !== 'PodInitializing') {
      const retry = isTransientPullFailure(waiting.reason, waiting.message) ? retryOf(component) : '';
      return `${pod.metadata.name}: ${waiting.reason}${retry}${message || waiting.message ? `: ${clip(message ?? waiting.message ?? '')}` : ''}`;
    }
    if (message) return `${pod.metadata.name}: ${clip(message)}`;
  }
  return undefined;
}

/** The worker and the login run the stable revision: they have no deadline. */
function retryOf(component: string): string {
  return component === 'worker' || component === 'auth' ? ' (retried)' : ' (retried until progressDeadline)';
}

/** Restarts after which a container in CrashLoopBackOff counts as failed. */
const MAX_RESTARTS = 3;

/** Why the pods of a revision can't become ready without a change. */
export function podFailure(
  revision: string,
  pods: readonly Pod[],
  component: Component = 'api',
): Failure | undefined {
  return failureOf(podsOf(revision, pods, component));
}

/** Number of ready workers of a revision. */
export function readyWorkers(revision: string, pods: readonly Pod[]): number {
  return podsOf(revision, pods, 'worker').filter(
    (pod) => reportsReady(pod) && !pod.metadata.deletionTimestamp,
  ).length;
}

function podsOf(revision: string, pods: readonly Pod[], component: Component): Pod[] {
  return pods.filter(
    (pod) => pod.metadata.labels?.[LABELS.revision] === revision && componentOf(pod) === component,
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

/** Why the pod of a Job can't start without a change. The result of a finished pod is reported by the Job. */
export function jobPodFailure(job: string, pods: readonly Pod[]): Failure | undefined {
  return failureOf(pods.filter((pod) => isOfJob(pod, job) && !hasEnded(pod)));
}

export function isOfJob({ metadata }: Pod, job: string): boolean {
  return metadata.labels?.[JOB_NAME] === job;
}

/**
 * A crash loop, or an image that can't be pulled. At least half of the pods must fail: a single one may be on a
 * faulty node.
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

/** Kubernetes truncates times to seconds: a pod that was created right after the start of its delivery would seem older. */
function endOfSecond(timestamp: string): string {
  return new Date(Date.parse(timestamp) + 999).toISOString();
}

function failureReason(pod: Pod): 'CrashLoop' | 'ImagePullFailed' | undefined {
  if (reportsReady(pod)) return undefined;
  for (const { state, restartCount = 0 } of containersOf(pod)) {
    const { reason, message } = state?.waiting ?? {};
    if (reason === 'CrashLoopBackOff' && restartCount >= MAX_RESTARTS) return 'CrashLoop';
    if (reason && isPermanentPullFailure(reason, message)) return 'ImagePullFailed';
  }
  return undefined;
}

/** Termination message of the container's last run. */
export function terminationMessage({ state, lastState }: ContainerStatus): string | undefined {
  return state?.terminated?.message ?? lastState?.terminated?.message ?? undefined;
}

function clip(text: string): string {
  const line = text.trim().split('\n').at(-1) ?? '';
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE)}…` : line;
}
