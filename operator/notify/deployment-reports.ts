/**
 * Deployments of a PcfApi according to its status. Pure. They depend only on the status, so that neither a
 * restart nor a long outage loses a delivery. A delivery is a deployment when its revision first receives
 * traffic, or when it fails. A delivery that was cancelled or superseded before that is not a deployment.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { startOfFailure, undoneDelivery } from '../api/v1alpha1/start-of-failure.js';
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { DeliveryRecord, PcfApiStatus } from '../api/v1alpha1/status.js';
import type { RevisionFacts } from './delivery-events.js';

export interface DeploymentReport {
  /** Unique and stable key of the delivery. */
  key: string;
  revision: string;
  version: string;
  imageDigest?: string;
  commit?: string;
  committedAt?: string;
  environment: string;
  strategy: string;
  startedAt: string;
  end?: DeploymentEnd;
}

export interface DeploymentEnd {
  outcome: 'SUCCEEDED' | 'FAILED' | 'ROLLED_BACK';
  finishedAt: string;
  reason?: string;
  failure?: DeploymentFailure;
}

/** A revision failed after it had received traffic. It caused an incident that ended with the delivery. */
export interface DeploymentFailure {
  failedSince: string;
  /** Key of the delivery that an undo reverted. */
  undoneKey?: string;
}

/** The previous process reported older ones. A new process reports those of the last day again. */
const TOLD_AGAIN_MS = 24 * 3_600_000;

/** Oldest first. */
export function deploymentReports(
  api: PcfApi,
  { history = [], delivery = {} }: PcfApiStatus,
  revisionOf: (name: string) => RevisionFacts | undefined,
  now: number,
): DeploymentReport[] {
  const ended = history
    .filter(({ finishedAt }) => now - Date.parse(finishedAt) < TOLD_AGAIN_MS)
    .filter(isDeployment)
    .map((record) => {
      const before = history.slice(history.indexOf(record) + 1);
      const failure = failureOf(api, record, before);
      const end = { ...endOf(record), ...(failure ? { failure } : {}) };
      return { ...reportOf(api, record), end };
    });
  return [...ended.reverse(), ...underWay(api, delivery, revisionOf)];
}

function underWay(
  api: PcfApi,
  { update, startedAt, firstTrafficAt }: DeliveryPosition,
  revisionOf: (name: string) => RevisionFacts | undefined,
): DeploymentReport[] {
  const revision = update && revisionOf(update);
  if (!revision || !startedAt || !firstTrafficAt) return [];
  const { image, source = {} } = revision;
  return [reportOf(api, { revision: update, image, startedAt, ...source })];
}

function isDeployment({ outcome, firstTrafficAt }: DeliveryRecord): boolean {
  return firstTrafficAt !== undefined || (outcome !== 'Cancelled' && outcome !== 'Superseded');
}

type Begun = Pick<DeliveryRecord, 'revision' | 'image' | 'commit' | 'committedAt' | 'startedAt'>;

function keyOf({ uid }: PcfApi['metadata'], { revision, startedAt }: Begun): string {
  return `${uid}/${revision}/${startedAt}`;
}

function reportOf({ metadata, spec }: PcfApi, begun: Begun): DeploymentReport {
  const { revision, image, commit, committedAt, startedAt } = begun;
  return {
    key: keyOf(metadata, begun),
    revision,
    ...versionOf(image),
    // The API accepts Git commit hashes only.
    ...(commit && /^[0-9a-f]{7,64}$/i.test(commit) ? { commit: commit.toLowerCase() } : {}),
    ...(committedAt ? { committedAt } : {}),
    environment: spec.environment,
    strategy: STRATEGIES[spec.strategy?.type ?? 'Canary'],
    startedAt,
  };
}

const STRATEGIES = { Canary: 'CANARY', BlueGreen: 'BLUE_GREEN', RollingUpdate: 'ROLLING_UPDATE' } as const;

const OUTCOMES = {
  Promoted: 'SUCCEEDED',
  Aborted: 'FAILED',
  Undone: 'ROLLED_BACK',
  RolledBack: 'ROLLED_BACK',
  Cancelled: 'ROLLED_BACK',
  Superseded: 'FAILED',
} as const satisfies Record<DeliveryRecord['outcome'], DeploymentEnd['outcome']>;

const WHY: Partial<Record<DeliveryRecord['outcome'], string>> = {
  Undone: 'rollback from a later revision',
  RolledBack: 'rolled back after it had received traffic',
  Superseded: 'superseded after it had received traffic',
};

function endOf({ outcome, finishedAt, reason = WHY[outcome] }: DeliveryRecord): DeploymentEnd {
  return { outcome: OUTCOMES[outcome], finishedAt, ...(reason ? { reason } : {}) };
}

function failureOf(
  { metadata }: PcfApi,
  record: DeliveryRecord,
  before: readonly DeliveryRecord[],
): DeploymentFailure | undefined {
  const failedSince = startOfFailure(record, before);
  if (!failedSince) return undefined;
  const undone = undoneDelivery(record, before);
  return { failedSince, ...(undone ? { undoneKey: keyOf(metadata, undone) } : {}) };
}

/** The version is the tag, or the digest without a tag. */
function versionOf(image: string): { version: string; imageDigest?: string } {
  const [name = '', digest] = image.split('@') as [string, string?];
  const tag = /:([^:/]+)$/.exec(name)?.[1];
  const isDigest = digest !== undefined && /^sha256:[0-9a-f]{64}$/.test(digest);
  return { version: tag ?? digest ?? 'latest', ...(isDigest ? { imageDigest: digest } : {}) };
}
