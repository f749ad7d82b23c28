/** Actions on a delivery, used by the commands and by the dashboard. */
import type { PcfApi } from '../operator/api/v1alpha1/pcfapi.js';
import { deliveryId, fullId, retryId, stepId, undoTarget } from '../operator/delivery/plan.js';
import { belowFloorMessage } from '../operator/delivery/rollback-floor.js';
import { OVERRIDE_ANNOTATIONS } from '../operator/delivery/windows/override.js';
import { REQUEST_ANNOTATIONS } from '../operator/reconciler/strategies.js';
import { ControllerRevisionKind, PcfApiKind } from '../operator/resources/kinds.js';
import { LABELS, MANAGED_SELECTOR } from '../operator/resources/metadata.js';
import {
  ADOPT_ANNOTATION,
  isOutdated,
  isRevisionOf,
  type Revision,
  revisionOf,
} from '../operator/resources/revision.js';
import { scalingChanges } from '../operator/resources/revision-scaling.js';
import type { KubeObject } from '../operator/runtime/kube-types.js';
import { type ClusterAccess, FIELD_MANAGER, getPcfApi } from './cluster.js';
import { CliError } from './output.js';
import { undoPatch } from './undo-patch.js';
import { type RestoreView, restoreFor } from './undo-restore.js';

export interface Done {
  /** The object after the write. */
  written: KubeObject;
  /** Short description of the action. */
  done: string;
}

/** Throws a {@link CliError} if the action does not apply to the PcfApi, or the error of the API server. */
export type Action = (access: ClusterAccess, name: string) => Promise<Done>;

export const setWeight =
  (weight: number): Action =>
  async (access, name) => {
    const { canaryWeight = 'unset' } = (await getPcfApi(access, name)).spec;
    const written = await edit(access, name, { spec: { canaryWeight: weight } });
    return { written, done: `canaryWeight ${canaryWeight} -> ${weight}` };
  };

export const setPaused =
  (paused: boolean): Action =>
  async (access, name) => {
    await getPcfApi(access, name); // throws a helpful error if it does not exist
    return {
      written: await edit(access, name, { spec: { paused } }),
      done: paused ? 'paused' : 'resumed',
    };
  };

/** Continues after the pause of the current step, or skips all remaining steps. */
export const promote = (full: boolean): Action =>
  request('promote', (api) => ({
    value: currentDelivery(api, full ? fullId : stepId),
    done: full ? 'continues after the last step' : 'continues',
  }));

export const abort: Action = request('abort', (api) => ({ value: currentDelivery(api), done: 'aborted' }));

export const retry: Action = request('retry', ({ status, metadata }) => {
  const failed = status?.failed;
  if (!failed) throw new CliError(`${metadata.name} has no aborted revision`);
  return { value: retryId({ failed })!, done: `retries ${failed.revision}` };
});

/** Overrides the windows and freezes of a PcfApi for a limited time. */
export const overrideWindows =
  (reason: string, forMs: number): Action =>
  async (access, name) => {
    const { status } = await getPcfApi(access, name);
    const strict = status?.windows?.closedBy?.filter(({ allowOverride }) => !allowOverride) ?? [];
    if (strict.length > 0)
      throw new CliError(
        `${strict.map(({ source }) => source).join(' and ')} does not allow an override: its owner must change it`,
      );
    const now = Date.now();
    const [from, until] = [now, now + forMs].map((at) => `${new Date(at).toISOString().slice(0, 19)}Z`);
    const annotations = {
      [OVERRIDE_ANNOTATIONS.from]: from,
      [OVERRIDE_ANNOTATIONS.until]: until,
      [OVERRIDE_ANNOTATIONS.reason]: reason,
    };
    const written = await edit(access, name, { metadata: { annotations } });
    return { written, done: `overrides windows and freezes until ${until}: ${reason}` };
  };

/** Ends an override of windows and freezes. */
export const restoreWindows: Action = async (access, name) => {
  await getPcfApi(access, name); // throws a helpful error if it does not exist
  const annotations = Object.fromEntries(Object.values(OVERRIDE_ANNOTATIONS).map((key) => [key, null]));
  return {
    written: await edit(access, name, { metadata: { annotations } }),
    done: 'windows and freezes are in effect again',
  };
};

/** Delivers the same spec with pods as the current operator version renders them. */
export const adopt: Action = async (access, name) => {
  const api = await getPcfApi(access, name);
  const { stable, update } = api.status?.delivery ?? {};
  if (!stable || update)
    throw new CliError(
      `${name} has ${update ? 'a delivery in progress' : 'no delivered revision yet'}: wait until it is finished`,
    );
  const revision = (await recordedRevisions(access, name)).find((one) => one.name === stable);
  if (!revision || !isOutdated(api, revision))
    throw new CliError(
      `the pods of ${stable} are up to date with this operator version, or the spec has changed since`,
    );
  const metadata = { annotations: { [ADOPT_ANNOTATION]: stable } };
  return {
    written: await edit(access, name, { metadata }),
    done: `delivers ${stable} again with the current pod template`,
  };
};

/** `to`: name or number of a revision. Default: the previous revision. */
export const undo =
  (to?: string): Action =>
  async (access, name) => {
    const { api, revision, current, restore } = await planUndo(access, name, to);
    const spec = undoPatch(api.spec, revision.inputs ?? {});
    const adopted = api.metadata.annotations?.[ADOPT_ANNOTATION];
    const annotations = { [ADOPT_ANNOTATION]: revision.adopted ?? null };
    const metadata = adopted === revision.adopted ? {} : { metadata: { annotations } };
    const written = await edit(access, name, { spec, ...metadata });
    const back = describeUndo(written as unknown as PcfApi, revision, current);
    return { written, done: restore ? `${back}; ${restore.summary} first` : back };
  };

/** What an undo would do: the lines of `--dry-run`. Throws a {@link CliError} if the undo would be rejected. */
export async function describeUndoPlan(access: ClusterAccess, name: string, to?: string): Promise<string[]> {
  const { api, revision, restore } = await planUndo(access, name, to);
  const lines = [
    `would roll back to revision ${revision.number}, ${revision.image}`,
    ...describeScaling(api, revision),
  ];
  return restore ? [...lines, `would restore ${restore.migrations.join(', ')}`, ...restore.details] : lines;
}

/** The settings of the autoscaler that the undo restores. */
function describeScaling({ spec }: PcfApi, { inputs }: Revision): string[] {
  const restored = inputs?.autoscaling?.horizontal;
  const changes = restored ? scalingChanges(spec.autoscaling?.horizontal, restored) : [];
  return changes.length > 0 ? [`would set autoscaling.horizontal: ${changes.join(', ')}`] : [];
}

interface PlannedUndo {
  api: PcfApi;
  revision: Revision;
  current: Revision | undefined;
  restore: RestoreView | undefined;
}

async function planUndo(access: ClusterAccess, name: string, to?: string): Promise<PlannedUndo> {
  const api = await getPcfApi(access, name);
  const recorded = await recordedRevisions(access, name);
  const revision = choose(api, recorded, to);
  const restore = restoreFor(api, recorded, revision);
  if (!restore) refuseBelowFloor(api, recorded, revision);
  const current = currentOf(api, recorded);
  refuseSecretsAlone(api, revision, current);
  return { api, revision, current, restore };
}

/** A request names its delivery, so that it does not apply to a later one. */
function request(
  what: 'promote' | 'abort' | 'retry',
  phrase: (api: PcfApi) => { value: string; done: string },
): Action {
  return async (access, name) => {
    const { value, done } = phrase(await getPcfApi(access, name));
    const metadata = { annotations: { [REQUEST_ANNOTATIONS[what]]: value } };
    return { written: await edit(access, name, { metadata }), done };
  };
}

function edit({ client, namespace }: ClusterAccess, name: string, patch: object): Promise<KubeObject> {
  return client.patch(PcfApiKind, namespace, name, patch, { fieldManager: FIELD_MANAGER });
}

function currentDelivery({ metadata, status }: PcfApi, name = deliveryId): string {
  const id = name(status?.delivery ?? {});
  if (!id) throw new CliError(`${metadata.name} has no delivery in progress`);
  return id;
}

async function recordedRevisions({ client, namespace }: ClusterAccess, name: string): Promise<Revision[]> {
  const labelSelector = `${MANAGED_SELECTOR},${LABELS.instance}=${name}`;
  const { items } = await client.list(ControllerRevisionKind, { namespace, labelSelector });
  return items.map(revisionOf).sort((a, b) => b.number - a.number);
}

function choose({ metadata, status }: PcfApi, revisions: Revision[], to: string | undefined): Revision {
  const wanted = to ?? undoTarget(status?.delivery ?? {});
  if (!wanted) throw new CliError(`${metadata.name} has no revision to roll back to`);
  const found = revisions.find(({ name, number }) => name === wanted || String(number) === wanted);
  const known = revisions.map(({ number, name }) => `${number} (${name})`).join(', ');
  if (!found) throw new CliError(`revision ${wanted} not found; retained revisions: ${known || 'none'}`);
  if (!found.inputs)
    throw new CliError(
      `revision ${wanted} was recorded by an older operator version; set its image in the spec`,
    );
  return found;
}

/** The operator would reject it too. This check reports it before the write. */
function refuseBelowFloor({ status }: PcfApi, revisions: Revision[], to: Revision): void {
  const refused = belowFloorMessage(revisions, status?.delivery ?? {}, to.name);
  if (refused) throw new CliError(`undo rejected: ${refused}`);
}

/** The revision that the spec described last. Its Secrets are the current ones. */
function currentOf({ status }: PcfApi, revisions: Revision[]): Revision | undefined {
  const { update, failed, stable } = status?.delivery ?? {};
  const names = [update, failed?.revision, stable];
  return names.map((name) => revisions.find((one) => one.name === name)).find((one) => one !== undefined);
}

/** With `secrets.onChange: Rollout` the contents of Secrets are part of a revision, and the spec can't restore them. */
function refuseSecretsAlone(api: PcfApi, to: Revision, current: Revision | undefined): void {
  if (to.name === current?.name || to.secrets === current?.secrets) return;
  if (!isRevisionOf(api, to)) return;
  throw new CliError(
    `undo rejected: only the contents of the Secrets differ from revision ${to.number}; restore the old values in the Secrets to deliver it`,
  );
}

/** If the same pods can't be created again, the undo is a normal delivery and not immediate. */
function describeUndo(written: PcfApi, to: Revision, current: Revision | undefined): string {
  const back = `rolls back to revision ${to.number}, ${to.image}`;
  if (isRevisionOf(written, to, current?.secrets)) return back;
  const hasOtherSecrets = to.secrets !== current?.secrets;
  const why = hasOtherSecrets
    ? 'its Secrets have changed since'
    : 'an older operator version recorded it incompletely';
  return `${back}, as a new revision: ${why}`;
}
