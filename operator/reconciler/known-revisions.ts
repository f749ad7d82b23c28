/** The revisions of a PcfApi: those with a record, those that run without one, and the target, which the spec describes. */
import { CONFIG_FILE } from '../../contract/image.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { ConfigMapKind, ControllerRevisionKind, DeploymentKind } from '../resources/kinds.js';
import { LABELS } from '../resources/metadata.js';
import type { PodTemplate } from '../resources/pod-template.js';
import {
  isRevisionOf,
  newRevision,
  type Revision,
  type RevisionInputs,
  revisionName,
  revisionOf,
} from '../resources/revision.js';
import type { KubeObject } from '../runtime/kube-types.js';
import type { ClusterView } from './observed.js';

interface Workload extends KubeObject {
  spec?: { template?: PodTemplate };
}

interface Settings extends KubeObject {
  data?: Record<string, string>;
}

export interface Revisions {
  /** The revision that the spec describes. */
  target: Revision;
  /** All revisions by name, including the target. */
  all: Map<string, Revision>;
}

/** `secrets` is a hash of the contents of Secrets, if a change of them makes a revision. */
export function revisionsOf(
  api: PcfApi,
  caches: Pick<ClusterView, 'get' | 'ownedBy'>,
  secrets: string | undefined,
): Revisions {
  const recorded = caches.ownedBy(ControllerRevisionKind, api).map(revisionOf);
  const lost = lostRevisions(api, caches, recorded);
  const target = targetRevision(api, recorded, lost, secrets);
  return { target, all: new Map([...recorded, ...lost, target].map((one) => [one.name, one])) };
}

/** Recorded inputs of the stable revision. */
export function stableInputs(api: PcfApi, caches: Pick<ClusterView, 'get'>): RevisionInputs | undefined {
  const { stable } = api.status?.delivery ?? {};
  const record = stable && caches.get(ControllerRevisionKind, api, stable);
  return record ? revisionOf(record).inputs : undefined;
}

/**
 * Revisions in use whose ControllerRevision was deleted, read from their Deployments: otherwise their pods
 * would not count, and be removed while they serve. Without revisions that are retired: their records are
 * deleted together with their Deployments.
 */
function lostRevisions(
  api: PcfApi,
  caches: Pick<ClusterView, 'get' | 'ownedBy'>,
  recorded: readonly Revision[],
): Revision[] {
  const unrecorded = namesInUse(api, caches).filter((name) => !recorded.some((one) => one.name === name));
  return unrecorded.flatMap((name) => {
    const deployment = caches.get(DeploymentKind, api, name) as Workload | undefined;
    if (!deployment) return [];
    const config = caches.get(ConfigMapKind, api, name) as Settings | undefined;
    return fromDeployment(deployment, config) ?? [];
  });
}

/** If the status names no revision, as after a restore from a backup, the Deployments with a revision label are in use. */
function namesInUse(api: PcfApi, caches: Pick<ClusterView, 'ownedBy'>): string[] {
  const { stable, update } = api.status?.delivery ?? {};
  if (stable || update) return [stable, update].filter((name) => name !== undefined);
  return caches
    .ownedBy(DeploymentKind, api)
    .filter(({ metadata }) => metadata.labels?.[LABELS.revision] === metadata.name)
    .map(({ metadata }) => metadata.name);
}

/** The rest of the record is lost: the commit, and the inputs that an undo restores. */
function fromDeployment({ metadata, spec }: Workload, config: Settings | undefined): Revision | undefined {
  const { template } = spec ?? {};
  const image = template?.spec.containers[0].image;
  if (!template || !image) return undefined;
  // The cache stores its spec as text, see packed.ts: a comparison of the desired pods would not read it.
  const plain = { metadata: template.metadata, spec: template.spec };
  // Its number is lost: it counts as older than all recorded revisions.
  return {
    name: metadata.name,
    number: 0,
    image,
    template: plain,
    config: config?.data?.[CONFIG_FILE] ?? '',
  };
}

/**
 * The revision that the spec describes. While a Secret is missing, its contents are unknown: then it is the
 * newest revision that is equal apart from them.
 */
function targetRevision(
  api: PcfApi,
  recorded: readonly Revision[],
  lost: readonly Revision[],
  secrets: string | undefined,
): Revision {
  const areSecretsUnknown = secrets === undefined && api.spec.secrets?.onChange === 'Rollout';
  const known = areSecretsUnknown
    ? newestOf(recorded.filter((one) => isRevisionOf(api, one)))
    : recordedTarget(api, recorded, secrets);
  if (known) return known;
  const target = newRevision(api, 1 + Math.max(0, ...recorded.map(({ number }) => number)), secrets);
  const running = lost.find(({ name }) => name === target.name);
  // The spec has what was lost; the pods retain their template.
  return running ? { ...target, template: running.template } : target;
}

/** Prefers the revision in use to an equivalent one, whose delivery would change nothing. */
function recordedTarget(
  api: PcfApi,
  recorded: readonly Revision[],
  secrets: string | undefined,
): Revision | undefined {
  const { update, stable } = api.status?.delivery ?? {};
  const isIt = (one: Revision) => isRevisionOf(api, one, secrets);
  const inUse = [update, stable].flatMap((used) => recorded.filter(({ name }) => name === used));
  const targetName = revisionName(api, secrets);
  return (
    inUse.find(isIt) ?? recorded.find(({ name }) => name === targetName) ?? newestOf(recorded.filter(isIt))
  );
}

function newestOf(revisions: readonly Revision[]): Revision | undefined {
  return revisions.toSorted((a, b) => b.number - a.number)[0];
}
