/** Role, state and cause of pods and revisions, for display. Pure. */
import type { PcfApiStatus } from '../../api/v1alpha1/status.js';
import { type Pod, podTrouble, reportsReady } from '../../reconciler/pod-state.js';
import { LABELS } from '../../resources/metadata.js';

export type PodState = 'ready' | 'starting' | 'failing' | 'terminating';

export interface PodLine {
  name: string;
  component: string;
  revision?: string;
  state: PodState;
  /** Reason or phase reported by the kubelet. */
  status: string;
  restarts: number;
  createdAt?: string;
  /** Error message if it is not ready. */
  trouble?: string;
}

export type RevisionRole = 'stable' | 'canary' | 'retiring';

/** Role of a revision: stable, delivered, or without traffic. */
export function roleOf(name: string, { stableRevision, updateRevision }: PcfApiStatus): RevisionRole {
  if (name === stableRevision) return 'stable';
  return name === updateRevision ? 'canary' : 'retiring';
}

/** All pods except succeeded ones. */
export function podLines(pods: readonly Pod[]): PodLine[] {
  return pods
    .filter(({ status }) => status?.phase !== 'Succeeded')
    .map(podLine)
    .sort((a, b) => (a.createdAt ?? '').localeCompare(b.createdAt ?? '') || a.name.localeCompare(b.name));
}

function podLine(pod: Pod): PodLine {
  const [container] = pod.status?.containerStatuses ?? [];
  const { name, labels = {}, deletionTimestamp, creationTimestamp } = pod.metadata;
  const said =
    container?.state?.waiting?.reason ?? container?.state?.terminated?.reason ?? pod.status?.phase ?? '';
  const ready = reportsReady(pod);
  const trouble = podTrouble(pod);
  const revision = labels[LABELS.revision];
  return {
    name,
    component: labels[LABELS.component] ?? '',
    ...(revision ? { revision } : {}),
    state: deletionTimestamp ? 'terminating' : ready ? 'ready' : trouble ? 'failing' : 'starting',
    status: deletionTimestamp ? 'Terminating' : said,
    restarts: container?.restartCount ?? 0,
    ...(creationTimestamp ? { createdAt: creationTimestamp } : {}),
    ...(trouble ? { trouble } : {}),
  };
}
