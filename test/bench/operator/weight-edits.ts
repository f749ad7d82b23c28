/** Edit of a weight -> VirtualService changed, and the floor under it: a loop that only watches and patches. */
import { setTimeout as sleep } from 'node:timers/promises';
import { PcfApiKind, VirtualServiceKind } from '../../../operator/resources/kinds.js';
import { type BenchCluster, NAMESPACE } from './cluster.js';

/** Times in milliseconds, in rising order. */
export type Times = readonly number[];

/** Edits one object after another and measures until its VirtualService has changed. */
export async function weightEdits(
  cluster: BenchCluster,
  edits: number,
  how: 'spec' | 'annotation',
): Promise<Times> {
  const { names, routes, client } = cluster;
  const times: number[] = [];
  for (let index = 0; index < edits; index++) {
    const name = names[index % names.length]!;
    // Never the weight that it has: each name gets a different one at each of its turns.
    const weight = 11 + ((index * 7 + Math.floor(index / names.length)) % 30);
    const before = routes.get(NAMESPACE, name)?.metadata.resourceVersion;
    const isChanged = () => routes.get(NAMESPACE, name)?.metadata.resourceVersion !== before;
    const changed = cluster.until(routes, isChanged, 5_000);
    const startedAt = performance.now();
    const patch =
      how === 'spec'
        ? { spec: { canaryWeight: weight } }
        : { metadata: { annotations: { weight: String(index) } } };
    await Promise.all([client.patch(PcfApiKind, NAMESPACE, name, patch), changed]);
    times.push(performance.now() - startedAt);
    await sleep(20);
  }
  return times.sort((a, b) => a - b);
}

/** Runs `work` while a minimal watcher sends one patch of the VirtualService for each edit it sees. */
export async function withFloor<T>({ apis, client }: BenchCluster, work: () => Promise<T>): Promise<T> {
  let active = true;
  apis.on(({ object }) => {
    const note = object.metadata.annotations?.weight;
    if (!active || note === undefined) return;
    const patch = { metadata: { annotations: { weight: note } } };
    void client.patch(VirtualServiceKind, NAMESPACE, object.metadata.name, patch).catch(() => {});
  });
  return work().finally(() => {
    active = false;
  });
}

export function percentile(times: Times, share: number): number {
  return times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
}
