/** What pods and endpoint slices say: which pods can be sent a request, and what ails the others. */
import { LABELS } from '../resources/metadata.js';
import type { KubeObject } from '../runtime/kube-client.js';

interface ContainerState {
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

function isReady(pod: Pod): boolean {
  const serving = pod.metadata.labels?.[LABELS.component] === 'api' && !pod.metadata.deletionTimestamp;
  return (
    serving &&
    (pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false)
  );
}

const MAX_MESSAGE = 300;

/** Why a serving pod is not ready, if it says; undefined when all is well or it is just starting. */
export function podTrouble(pod: Pod): string | undefined {
  if (isReady(pod) || pod.metadata.deletionTimestamp || pod.metadata.labels?.[LABELS.component] !== 'api')
    return undefined;
  const unscheduled = pod.status?.conditions?.find(
    ({ type, status }) => type === 'PodScheduled' && status === 'False',
  );
  if (unscheduled?.message) return `${pod.metadata.name} can't be scheduled: ${clip(unscheduled.message)}`;
  for (const status of pod.status?.containerStatuses ?? []) {
    const words = lastWords(status);
    const waiting = status.state?.waiting;
    if (waiting?.reason && waiting.reason !== 'ContainerCreating' && waiting.reason !== 'PodInitializing') {
      return `${pod.metadata.name}: ${waiting.reason}${words || waiting.message ? `: ${clip(words ?? waiting.message ?? '')}` : ''}`;
    }
    if (words) return `${pod.metadata.name}: ${clip(words)}`;
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
