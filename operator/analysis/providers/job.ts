/** Runs a Job and waits for its end, which the watch reports. */
import { JobKind } from '../../resources/kinds.js';
import { ResourceEventType } from '../../runtime/event-types.js';
import {
  isConflict,
  isForbidden,
  isInvalid,
  KubeApiError,
  type KubeClient,
} from '../../runtime/kube-client.js';
import type { KubeObject } from '../../runtime/kube-types.js';
import type { CacheEvent } from '../../runtime/resource-cache.js';
import { keyOf } from '../../runtime/store.js';
import type { Reading } from '../analysis-model.js';
import { analysisJob, readingOf } from '../job-object.js';
import type { Provider, Request } from './provider.js';

/** The cache of Jobs. */
export interface JobView {
  get(namespace: string, name: string): KubeObject | undefined;
  on(handler: (event: CacheEvent) => void): void;
}

type Listener = (event: CacheEvent) => void;

export class JobProvider implements Provider {
  readonly type = 'Job';
  /** By namespace and name. A Job belongs to one measurement, which runs once at a time. */
  private readonly listeners = new Map<string, Listener>();

  /** `client` is the writing client, which only the leader may use. */
  constructor(
    private readonly client: Pick<KubeClient, 'create' | 'list'>,
    private readonly jobs: JobView,
  ) {
    jobs.on((event) => this.listeners.get(keyOf(event.object))?.(event));
  }

  async measure(request: Request, signal: AbortSignal): Promise<Reading> {
    const wanted = analysisJob(request);
    const { promise, resolve, reject } = Promise.withResolvers<Reading>();
    promise.catch(() => {}); // may be rejected while the Job is being created
    const end = () => reject(signal.reason as Error);
    const key = keyOf(wanted);
    // Subscribed before the Job exists, so that no event is missed.
    this.listeners.set(key, ({ type, object }) => {
      const reading = readingOf(object);
      if (reading) resolve(reading);
      else if (type === ResourceEventType.Deleted) {
        reject(new Error(`Job ${object.metadata.name} was deleted before it finished`));
      }
    });
    signal.addEventListener('abort', end, { once: true });
    try {
      signal.throwIfAborted();
      const reading = readingOf(await this.ensure(wanted, request, signal));
      return reading ?? (await promise);
    } finally {
      this.listeners.delete(key);
      signal.removeEventListener('abort', end);
    }
  }

  /** The existing Job: a Job of an earlier leader continues. */
  private async ensure(wanted: KubeObject, { api }: Request, signal: AbortSignal): Promise<KubeObject> {
    const { namespace, name } = wanted.metadata;
    const known = this.jobs.get(namespace!, name);
    if (known) return ours(known, api.metadata.uid);
    try {
      return await this.client.create(JobKind, wanted, { signal });
    } catch (error) {
      if (!isConflict(error)) throw explained(error, name);
      const options = { namespace, fieldSelector: `metadata.name=${name}` };
      const { items } = await this.client.list(JobKind, options, signal);
      if (!items[0]) throw new Error(`Job ${name} was deleted before it finished`);
      return ours(items[0], api.metadata.uid);
    }
  }
}

function ours(job: KubeObject, owner: string): KubeObject {
  if (job.metadata.ownerReferences?.some(({ uid }) => uid === owner)) return job;
  throw new Error(`Job ${job.metadata.name} exists and does not belong to this PcfApi; delete it`);
}

function explained(error: unknown, name: string): unknown {
  if (isForbidden(error)) return new Error(`no permission to create Job ${name}: ${error.message}`);
  if (isInvalid(error)) return new Error(`the API server rejects Job ${name}: ${error.message}`);
  if (error instanceof KubeApiError) return new Error(`Job ${name} was not created: ${error.message}`);
  return error;
}
