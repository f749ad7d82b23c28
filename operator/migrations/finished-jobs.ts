/**
 * Reads the pods of finished migration Jobs from the API server. The watch of pods may lag behind the
 * watch of Jobs: otherwise a late report would count as lost and its Job would run twice, and a failure
 * would be recorded without its error.
 */
import { inChildSpan } from '../../contract/tracing/tracing.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { JobKind, PodKind } from '../resources/kinds.js';
import { LABELS } from '../resources/metadata.js';
import type { KubeClient } from '../runtime/kube-client.js';
import { apiVersionOf, type KubeObject, type ResourceType } from '../runtime/kube-types.js';
import { keyOf } from '../runtime/store.js';
import { hasEnded, hasReport, JOB_NAME } from './job-view.js';

interface Caches {
  ownedBy(type: ResourceType, api: PcfApi): KubeObject[];
  noteWrite(type: ResourceType, written: KubeObject): void;
}

export class FinishedJobs {
  /** UIDs of the Jobs whose pods were read, by PcfApi. */
  private readonly known = new Map<string, Set<string>>();

  constructor(
    private readonly client: Pick<KubeClient, 'list'>,
    private readonly caches: Caches,
  ) {}

  /**
   * Adds the pods to the cache, once per Job, unless it has the successful one. Only for the revision being delivered:
   * no other decision needs them.
   */
  async readPods(api: PcfApi): Promise<void> {
    const { update } = api.status?.delivery ?? {};
    if (!update) return this.forget(keyOf(api));
    const finished = this.caches
      .ownedBy(JobKind, api)
      .filter((job) => job.metadata.labels?.[LABELS.revision] === update && hasEnded(job));
    const known = this.known.get(keyOf(api)) ?? new Set();
    const pods = this.caches.ownedBy(PodKind, api);
    const unread = finished.filter((job) => !known.has(job.metadata.uid ?? '') && !hasReport(job, pods));
    await Promise.all(unread.map((job) => this.readPodsOf(job)));
    this.known.set(keyOf(api), new Set(finished.map(({ metadata }) => metadata.uid ?? '')));
  }

  /** Removes the records of a PcfApi. */
  forget(key: string): void {
    this.known.delete(key);
  }

  /** The API server stores the end of the pod before the end of its Job, so a pod that it does not return is deleted. */
  private async readPodsOf({ metadata: { namespace, name } }: KubeObject): Promise<void> {
    const { items } = await inChildSpan('list pods of a migration Job', { kind: 'client' }, () =>
      this.client.list(PodKind, { namespace, labelSelector: `${JOB_NAME}=${name}` }),
    );
    for (const pod of items) {
      this.caches.noteWrite(PodKind, { ...pod, apiVersion: apiVersionOf(PodKind), kind: PodKind.kind });
    }
  }
}
