/** Data of the status output. */
import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import { type EventView, timeOf } from '../../operator/dashboard/event-view.js';
import type { Pod } from '../../operator/reconciler/pod-state.js';
import { ControllerRevisionKind, PodKind } from '../../operator/resources/kinds.js';
import { LABELS, MANAGED_SELECTOR } from '../../operator/resources/metadata.js';
import { isOutdated, revisionOf } from '../../operator/resources/revision.js';
import { EventKind } from '../../operator/runtime/events.js';
import { type ClusterAccess, getPcfApi } from '../cluster.js';

export interface Picture {
  api: PcfApi;
  pods: Pod[];
  /** Newest last. */
  events: EventView[];
  /** Whether the current operator version renders the pods of the stable revision differently. */
  outdatedTemplate: boolean;
}

export async function takePicture(access: ClusterAccess, name: string): Promise<Picture> {
  const { client, namespace } = access;
  const api = await getPcfApi(access, name);
  const labelSelector = `${MANAGED_SELECTOR},${LABELS.instance}=${name}`;
  const [pods, events, revisions] = await Promise.all([
    client.list(PodKind, { namespace, labelSelector }),
    client.list(EventKind, { namespace, fieldSelector: `regarding.name=${name},regarding.kind=PcfApi` }),
    client.list(ControllerRevisionKind, { namespace, labelSelector }),
  ]);
  const stable = revisions.items.find(({ metadata }) => metadata.name === api.status?.stableRevision);
  return {
    api,
    pods: pods.items as Pod[],
    events: (events.items as EventView[])
      .filter(({ regarding }) => regarding?.uid === api.metadata.uid)
      .sort((a, b) => timeOf(a).localeCompare(timeOf(b))),
    outdatedTemplate: stable !== undefined && isOutdated(api, revisionOf(stable)),
  };
}
