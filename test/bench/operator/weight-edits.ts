/** Time from a weight edit to the VirtualService change, and its floor: a loop that watches and patches. */
import { setTimeout as sleep } from 'node:timers/promises';
import { PcfApiKind, VirtualServiceKind } from '../../../operator/resources/kinds.js';
import type { ResourceCache } from '../../../operator/runtime/resource-cache.js';
import { type BenchCluster, NAMESPACE, until } from './cluster.js';

/** Times in milliseconds, in ascending order. */
export type Times = readonly number[];

/** A system whose weights are edited, or its floor. */
export interface Subject {
  namespace: string;
  names: readonly string[];
  /** VirtualServices, with the names of the edited objects. */
  routes: ResourceCache;
  setWeight(name: string, weight: number): Promise<unknown>;
}

/** Returns a weight that differs from the current one. `turn` counts the edits of this object. */
type Weights = (index: number, turn: number) => number;

/** Weights of 11 to 32, for which one canary pod and three stable pods have capacity. */
export const carried: Weights = (index, turn) => 11 + ((index * 7 + turn) % 22);
/** Every second weight needs another canary pod. */
export const withPods: Weights = (_, turn) => (turn % 2 === 0 ? 40 : 20);

/** Ten times the slowest edit on a machine that is busy with other work. */
const LIMIT_MS = 60_000;

/** Edits one object after another and measures until its VirtualService has changed. */
export async function weightEdits(subject: Subject, edits: number, weights: Weights): Promise<Times> {
  const { names, routes, namespace } = subject;
  const times: number[] = [];
  for (let index = 0; index < edits; index++) {
    const name = names[index % names.length]!;
    const before = routes.get(namespace, name)?.metadata.resourceVersion;
    const isChanged = () => routes.get(namespace, name)?.metadata.resourceVersion !== before;
    const changed = until('the VirtualService changes', routes, [name], isChanged, LIMIT_MS);
    const startedAt = performance.now();
    const weight = weights(index, Math.floor(index / names.length));
    await Promise.all([subject.setWeight(name, weight), changed]);
    times.push(performance.now() - startedAt);
    await sleep(20);
  }
  return times.sort((a, b) => a - b);
}

/** The floor: while `work` runs, a minimal watcher sends one patch of the VirtualService per edit that it receives. */
export async function withFloor<T>(
  { apis, client, names, routes }: Pick<BenchCluster, 'apis' | 'client' | 'names' | 'routes'>,
  work: (floor: Subject) => Promise<T>,
): Promise<T> {
  let active = true;
  // The annotation contains the size, because the same value as in an earlier size would be no change.
  const setWeight = (name: string, weight: number) => {
    const annotation = `${weight} of ${names.length}`;
    return client.patch(PcfApiKind, NAMESPACE, name, { metadata: { annotations: { weight: annotation } } });
  };
  apis.on(({ object }) => {
    const annotation = object.metadata.annotations?.weight;
    if (!active || annotation === undefined) return;
    const patch = { metadata: { annotations: { weight: annotation } } };
    void client.patch(VirtualServiceKind, NAMESPACE, object.metadata.name, patch).catch(() => {});
  });
  return work({ namespace: NAMESPACE, names, routes, setWeight }).finally(() => {
    active = false;
  });
}

export function percentile(times: Times, share: number): number {
  return times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
}
