/**
 * The deployments of a PcfApi, as its status has them. Pure. What is to be on record follows
 * from the status alone, so that neither a restart nor a long outage loses a delivery.
 *
 * A delivery counts from its first share of the traffic, or when it ended on its own account: one
 * that somebody called off or replaced before anybody saw it is no deployment.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { DeliveryPosition, DeliveryRecord, PcfApiStatus } from '../api/v1alpha1/status.js';
import type { RevisionFacts } from './delivery-events.js';

export interface DeploymentReport {
  /** The same for the same delivery, whoever tells of it and how often. */
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
}

/** Older ones were told by the process that saw them. Those of a day are told again by one that starts. */
const TOLD_AGAIN_MS = 24 * 3_600_000;

/** The oldest first. */
export function deploymentReports(
  api: PcfApi,
  { history = [], delivery = {} }: PcfApiStatus,
  revisionOf: (name: string) => RevisionFacts | undefined,
  now: number,
): DeploymentReport[] {
  const ended = history
    .filter(({ finishedAt }) => now - Date.parse(finishedAt) < TOLD_AGAIN_MS)
    .filter(isDeployment)
    .map((record) => ({ ...reportOf(api, record), end: endOf(record) }));
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

function reportOf({ metadata, spec }: PcfApi, begun: Begun): DeploymentReport {
  const { revision, image, commit, committedAt, startedAt } = begun;
  return {
    key: `${metadata.uid}/${revision}/${startedAt}`,
    revision,
    ...versionOf(image),
    // The API takes what is a commit to git.
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

/** The tag is the version; without one, the digest is. */
function versionOf(image: string): { version: string; imageDigest?: string } {
  const [name = '', digest] = image.split('@') as [string, string?];
  const tag = /:([^:/]+)$/.exec(name)?.[1];
  const isDigest = digest !== undefined && /^sha256:[0-9a-f]{64}$/.test(digest);
  return { version: tag ?? digest ?? 'latest', ...(isDigest ? { imageDigest: digest } : {}) };
}
