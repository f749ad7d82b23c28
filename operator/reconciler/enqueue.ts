/** Which PcfApis are reconciled, and when: after events of the caches, and periodically. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { keyOf } from '../runtime/store.js';
import type { Priority } from '../runtime/work-queue.js';
import { type Caches, instanceKey } from './caches.js';

export interface Enqueuing {
  caches: Caches;
  queue: { add(key: string, priority: Priority): void };
  onEdit: (key: string) => void;
}

/**
 * Maps events of caches to keys of PcfApis. Requests of users, such as an abort, are annotations, which do not change the
 * generation.
 */
export function enqueueOnEvents({ caches, queue, onEdit }: Enqueuing): void {
  caches.pcfApis.on(({ object, old, type }) => {
    const isEdited = old !== undefined && object.metadata.generation !== old.metadata.generation;
    if (isEdited) onEdit(keyOf(object));
    const isUrgent = isEdited || type === 'DELETED' || (old && isAnnotated(object, old));
    queue.add(keyOf(object), isUrgent ? 'high' : 'low');
  });
  const enqueueAll = () => {
    for (const api of caches.pcfApis.list()) queue.add(keyOf(api), 'low');
  };
  for (const [type, cache] of caches.dependents()) {
    cache.onAvailability(enqueueAll);
    cache.on((event) => {
      // Both, because a changed label assigns the object to another PcfApi.
      const keys = new Set([
        instanceKey(event.object),
        event.old && instanceKey(event.old),
        ...caches.contenders(type, event),
      ]);
      for (const key of keys) if (key) queue.add(key, 'normal');
    });
  }
  enqueueOnWindows(caches, queue);
  caches.gateways?.onChange(() => {
    for (const api of caches.pcfApis.list()) {
      const { traffic } = (api as unknown as PcfApi).spec;
      if (traffic?.provider === 'GatewayAPI') queue.add(keyOf(api), 'low');
    }
  });
  caches.secrets.on(({ object }) => {
    for (const api of caches.readersOf(object)) queue.add(keyOf(api), 'normal');
  });
  for (const [type, cache] of caches.routesOfUsers()) {
    cache.on((event) => {
      const { object, old } = event;
      const keys = [object, ...(old ? [old] : [])].flatMap((route) => caches.concernedBy(route));
      keys.push(...caches.contenders(type, event));
      for (const key of new Set(keys)) queue.add(key, 'normal');
    });
  }
}

/** Whether annotations changed. The API server sorts them by name. */
function isAnnotated({ metadata }: KubeObject, { metadata: before }: KubeObject): boolean {
  return JSON.stringify(metadata.annotations) !== JSON.stringify(before.annotations);
}

/** A freeze takes effect at once: the PcfApis that it selects precede others. */
function enqueueOnWindows({ windows, pcfApis }: Caches, queue: Enqueuing['queue']): void {
  windows?.windows.on((event) => {
    for (const api of windows.selected(event, pcfApis.list())) queue.add(keyOf(api), 'high');
  });
  windows?.namespaces.on((event) => {
    for (const api of windows.relabelled(event, pcfApis.list())) queue.add(keyOf(api), 'high');
  });
}

/** Reconciles every PcfApi periodically, at random offsets: finds changes that cause no event. 0 disables it. */
export function startResync(
  periodMs: number,
  caches: Caches,
  queue: { addAfter(key: string, delayMs: number, priority: Priority): void },
): NodeJS.Timeout | undefined {
  if (periodMs === 0) return undefined;
  return setInterval(() => {
    const spreadMs = periodMs / 10;
    for (const api of caches.pcfApis.list()) queue.addAfter(keyOf(api), Math.random() * spreadMs, 'low');
  }, periodMs);
}
