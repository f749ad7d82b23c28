/** Watches a PcfApi and its pods. */
import { pino } from 'pino';
import { PcfApiKind, PodKind } from '../../operator/resources/kinds.js';
import { LABELS } from '../../operator/resources/metadata.js';
import { ResourceCache } from '../../operator/runtime/resource-cache.js';
import type { ClusterAccess } from '../cluster.js';

/** Calls `changed` after each change until the signal fires. Several changes can cause one call. */
export async function watchPcfApi(
  { client, namespace }: ClusterAccess,
  name: string,
  changed: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const quiet = pino({ level: 'silent' });
  const caches = [
    new ResourceCache(PcfApiKind, client, quiet, {
      namespaces: [namespace],
      fieldSelector: `metadata.name=${name}`,
    }),
    new ResourceCache(PodKind, client, quiet, {
      namespaces: [namespace],
      labelSelector: `${LABELS.instance}=${name}`,
    }),
  ];
  let wake = Promise.withResolvers<void>();
  for (const cache of caches) cache.on(() => wake.resolve());
  signal.addEventListener('abort', () => wake.resolve(), { once: true });
  const running = caches.map((cache) => cache.run(signal));
  while (!signal.aborted) {
    await wake.promise;
    if (signal.aborted) break;
    wake = Promise.withResolvers();
    await changed();
  }
  await Promise.all(running);
}

/** Fires at the first SIGINT or SIGTERM. */
export function untilInterrupted(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}
