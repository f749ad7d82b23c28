/** Edit of a weight -> VirtualService changed, and the floor under it: a loop that only watches and patches. */
import { setTimeout as sleep } from 'node:timers/promises';
import { PcfApiKind, VirtualServiceKind } from '../../../operator/resources/kinds.js';
import { type BenchCluster, NAMESPACE } from './cluster.js';

/** Times in milliseconds, in rising order. */
export type Times = readonly number[];

/**
 * What is edited: a weight that the pods at hand can carry (one canary pod beside three:
 * up to 33), one that needs a pod more or one less (so each second one waits for a pod to
 * start), or an annotation that only {@link withFloor} looks at.
 */
export type Edit = 'weight' | 'weight and pods' | 'annotation';

/** Edits one object after another and measures until its VirtualService has changed. */
export async function weightEdits(cluster: BenchCluster, edits: number, edit: Edit): Promise<Times> {
  const { names, routes, client } = cluster;
  const times: number[] = [];
  for (let index = 0; index < edits; index++) {
    const name = names[index % names.length]!;
    const turn = Math.floor(index / names.length);
    // Never the weight that it has: each name gets a different one at each of its turns.
    const weight = edit === 'weight' ? 11 + ((index * 7 + turn) % 22) : turn % 2 === 0 ? 40 : 20;
    const before = routes.get(NAMESPACE, name)?.metadata.resourceVersion;
    const isChanged = () => routes.get(NAMESPACE, name)?.metadata.resourceVersion !== before;
    const changed = cluster.until(routes, isChanged, 5_000);
    const startedAt = performance.now();
    const patch =
      edit === 'annotation'
        ? { metadata: { annotations: { weight: String(index) } } }
        : { spec: { canaryWeight: weight } };
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
