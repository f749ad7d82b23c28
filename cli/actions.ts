/** What people do to a delivery: one function each, for the commands and for the dashboard's buttons. */
import type { PcfApi } from '../operator/api/v1alpha1/pcfapi.js';
import { deliveryId, fullId, stepId, undoTarget } from '../operator/delivery/plan.js';
import { belowFloorMessage } from '../operator/delivery/rollback-floor.js';
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
import type { KubeObject } from '../operator/runtime/kube-types.js';
import { type ClusterAccess, FIELD_MANAGER, getPcfApi } from './cluster.js';
import { CliError } from './output.js';
import { undoPatch } from './undo-patch.js';

export interface Done {
  /** The object as it is now. */
  written: KubeObject;
  /** What was done, in a few words. */
  done: string;
}

/** Throws a {@link CliError} when it makes no sense for this PcfApi, or the API server's refusal. */
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
    await getPcfApi(access, name); // says what there is when there is no such PcfApi
    return {
      written: await edit(access, name, { spec: { paused } }),
      done: paused ? 'paused' : 'resumed',
    };
  };

/** Past the pause it stands at, or past all steps that are left. */
export const promote = (full: boolean): Action =>
  request('promote', (api) => ({
    value: underWay(api, full ? fullId : stepId),
    done: full ? 'continues to the end' : 'continues',
  }));

export const abort: Action = request('abort', (api) => ({ value: underWay(api), done: 'aborted' }));

export const retry: Action = request('retry', ({ status, metadata }) => {
  const failed = status?.failed;
  if (!failed) throw new CliError(`${metadata.name} has no revision that was aborted`);
  return { value: `${failed.revision}@${failed.at}`, done: `tries ${failed.revision} again` };
});

/** Delivers the same spec in pods as the operator renders them now. */
export const adopt: Action = async (access, name) => {
  const api = await getPcfApi(access, name);
  const { stable, update } = api.status?.delivery ?? {};
  if (!stable || update)
    throw new CliError(
      `${name} has ${update ? 'a delivery under way' : 'nothing delivered yet'}: wait for its end`,
    );
  const revision = (await recordedRevisions(access, name)).find((one) => one.name === stable);
  if (!revision || !isOutdated(api, revision))
    throw new CliError(
      `the pods of ${stable} are as this version renders them, or the spec has changed since`,
    );
  const metadata = { annotations: { [ADOPT_ANNOTATION]: stable } };
  return { written: await edit(access, name, { metadata }), done: `renders the pods of ${stable} again` };
};

/** `to` is the name or number of a revision; left out, it is the one before. */
export const undo =
  (to?: string): Action =>
  async (access, name) => {
    const api = await getPcfApi(access, name);
    const recorded = await recordedRevisions(access, name);
    const revision = choose(api, recorded, to);
    refuseBelowFloor(api, recorded, revision);
    const current = currentOf(api, recorded);
    refuseSecretsAlone(api, revision, current);
    const spec = undoPatch(api.spec, revision.inputs ?? {});
    const adopted = api.metadata.annotations?.[ADOPT_ANNOTATION];
    const annotations = { [ADOPT_ANNOTATION]: revision.adopted ?? null };
    const metadata = adopted === revision.adopted ? {} : { metadata: { annotations } };
    const written = await edit(access, name, { spec, ...metadata });
    return { written, done: goesBack(written as unknown as PcfApi, revision, current) };
  };

/** A request names the delivery it means: it is no request about a later one. */
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

function underWay({ metadata, status }: PcfApi, name = deliveryId): string {
  const id = name(status?.delivery ?? {});
  if (!id) throw new CliError(`${metadata.name} has no delivery under way`);
  return id;
}

async function recordedRevisions({ client, namespace }: ClusterAccess, name: string): Promise<Revision[]> {
  const labelSelector = `${MANAGED_SELECTOR},${LABELS.instance}=${name}`;
  const { items } = await client.list(ControllerRevisionKind, { namespace, labelSelector });
  return items.map(revisionOf).sort((a, b) => b.number - a.number);
}

function choose({ metadata, status }: PcfApi, revisions: Revision[], to: string | undefined): Revision {
  const wanted = to ?? undoTarget(status?.delivery ?? {});
  if (!wanted) throw new CliError(`${metadata.name} has nothing to go back to`);
  const found = revisions.find(({ name, number }) => name === wanted || String(number) === wanted);
  const known = revisions.map(({ number, name }) => `${number} (${name})`).join(', ');
  if (!found) throw new CliError(`there is no revision ${wanted} on record; there is ${known || 'none'}`);
  if (!found.inputs)
    throw new CliError(`revision ${wanted} was recorded by an older operator; set its image by hand`);
  return found;
}

/** The operator would refuse it too; here it is said before anything is written. */
function refuseBelowFloor({ status }: PcfApi, revisions: Revision[], to: Revision): void {
  const refused = belowFloorMessage(revisions, status?.delivery ?? {}, to.name);
  if (refused) throw new CliError(`not undone: ${refused}`);
}

/** What the spec asked for when it was looked at last: its Secrets are as they are now. */
function currentOf({ status }: PcfApi, revisions: Revision[]): Revision | undefined {
  const { update, failed, stable } = status?.delivery ?? {};
  const names = [update, failed?.revision, stable];
  return names.map((name) => revisions.find((one) => one.name === name)).find((one) => one !== undefined);
}

/** With `secrets.onChange: Rollout` what the Secrets hold makes a revision too, and the spec can't bring that back. */
function refuseSecretsAlone(api: PcfApi, to: Revision, current: Revision | undefined): void {
  if (to.name === current?.name || to.secrets === current?.secrets) return;
  if (!isRevisionOf(api, to)) return;
  throw new CliError(
    `not undone: what differs from revision ${to.number} is what the Secrets hold; put the old values back into them, and it is delivered`,
  );
}

/** Where the same pods can't be had again, it is a delivery like any other, and not at once. */
function goesBack(written: PcfApi, to: Revision, current: Revision | undefined): string {
  const back = `goes back to revision ${to.number}, ${to.image}`;
  if (isRevisionOf(written, to, current?.secrets)) return back;
  const hasOtherSecrets = to.secrets !== current?.secrets;
  const why = hasOtherSecrets ? 'its Secrets have changed since' : 'an older operator recorded less of it';
  return `${back}, as a new revision: ${why}`;
}
