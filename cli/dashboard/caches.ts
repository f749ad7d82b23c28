/** Caches of the dashboard, with the permissions of the caller. */
import { pino } from 'pino';
import { CacheSource, EVENT_CACHE } from '../../operator/dashboard/source.js';
import { POD_CACHE } from '../../operator/reconciler/caches.js';
import { PcfApiKind, PodKind } from '../../operator/resources/kinds.js';
import { EventKind } from '../../operator/runtime/events.js';
import { isForbidden, isNotFound, type KubeClient } from '../../operator/runtime/kube-client.js';
import type { ResourceType } from '../../operator/runtime/kube-types.js';
import { type CacheOptions, ResourceCache } from '../../operator/runtime/resource-cache.js';
import { CliError } from '../output.js';

export interface RunningCaches {
  source: CacheSource;
  /** Resolves when all caches have stopped. */
  running: Promise<unknown>;
}

/** Resolves when the PcfApis are cached. Throws if the caller may not read them. */
export async function startCaches(
  client: KubeClient,
  namespace: string | undefined,
  signal: AbortSignal,
): Promise<RunningCaches> {
  const [refusal, noPods, noEvents] = await Promise.all(
    [PcfApiKind, PodKind, EventKind].map((type) => mayRead(client, type, namespace)),
  );
  if (refusal) throw new CliError(refusal);
  const cache = (type: ResourceType, options: CacheOptions) =>
    new ResourceCache(type, client, pino({ level: 'silent' }), {
      namespaces: namespace ? [namespace] : [],
      ...options,
    });
  const caches = {
    pcfApis: cache(PcfApiKind, {}),
    ...(noPods ? {} : { pods: cache(PodKind, POD_CACHE) }),
    ...(noEvents ? {} : { events: cache(EventKind, EVENT_CACHE) }),
  };
  const missing = [noPods, noEvents].filter((notice) => notice !== undefined);
  const source = new CacheSource(caches, missing);
  const running = Promise.all(Object.values(caches).map((one) => one.run(signal)));
  await caches.pcfApis.synced;
  return { source, running };
}

/** Error message of the API server, or undefined if reading is allowed. */
async function mayRead(
  client: KubeClient,
  type: ResourceType,
  namespace: string | undefined,
): Promise<string | undefined> {
  try {
    await client.list(type, { namespace, limit: 1 });
    return undefined;
  } catch (error) {
    if (isNotFound(error)) return `the cluster has no ${type.kind}: is the operator installed?`;
    if (isForbidden(error)) return error.message;
    throw error;
  }
}
