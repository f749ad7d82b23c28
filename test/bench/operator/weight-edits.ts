/** Edit of a weight -> VirtualService changed, and the floor under it: a loop that only watches and patches. */
import { setTimeout as sleep } from 'node:timers/promises';
import { PcfApiKind, VirtualServiceKind } from '../../../operator/resources/kinds.js';
import type { ResourceCache } from '../../../operator/runtime/resource-cache.js';
import { type BenchCluster, NAMESPACE, until } from './cluster.js';

/** Times in milliseconds, in rising order. */
export type Times = readonly number[];

/** A system whose weights are edited, or stand-in for one. */
export interface Subject {
  namespace: string;
  names: readonly string[];
  /** VirtualServices, named as what they belong to. */
  routes: ResourceCache;
  setWeight(name: string, weight: number): Promise<unknown>;
}

/** Gives another weight, never the one that it has. `turn` counts how often it was this object's turn. */
type Weights = (index: number, turn: number) => number;

/** With one canary pod beside three: 11-32, so the pods at hand can carry it. */
export const carried: Weights = (index, turn) => 11 + ((index * 7 + turn) % 22);
/** Each second one waits for another pod to start. */
export const withPods: Weights = (_, turn) => (turn % 2 === 0 ? 40 : 20);

/** Edits one object after another and measures until its VirtualService has changed. */
export async function weightEdits(subject: Subject, edits: number, weights: Weights): Promise<Times> {
  const { names, routes, namespace } = subject;
  const times: number[] = [];
  for (let index = 0; index < edits; index++) {
    const name = names[index % names.length]!;
    const before = routes.get(namespace, name)?.metadata.resourceVersion;
    const isChanged = () => routes.get(namespace, name)?.metadata.resourceVersion !== before;
    const changed = until('the VirtualService changes', routes, [name], isChanged, 5_000);
    const startedAt = performance.now();
    const weight = weights(index, Math.floor(index / names.length));
    await Promise.all([subject.setWeight(name, weight), changed]);
    times.push(performance.now() - startedAt);
    await sleep(20);
  }
  return times.sort((a, b) => a - b);
}

/** The floor: while `work` runs, a minimal watcher sends one patch of the VirtualService for each edit it sees. */
export async function withFloor<T>(
  { apis, client, names, routes }: BenchCluster,
  work: (floor: Subject) => Promise<T>,
): Promise<T> {
  let active = true;
  // Never the note that it has from an earlier size: that would change nothing.
  const setWeight = (name: string, weight: number) => {
    const note = `${weight} of ${names.length}`;
    return client.patch(PcfApiKind, NAMESPACE, name, { metadata: { annotations: { weight: note } } });
  };
  apis.on(({ object }) => {
    const note = object.metadata.annotations?.weight;
    if (!active || note === undefined) return;
    const patch = { metadata: { annotations: { weight: note } } };
    void client.patch(VirtualServiceKind, NAMESPACE, object.metadata.name, patch).catch(() => {});
  });
  return work({ namespace: NAMESPACE, names, routes, setWeight }).finally(() => {
    active = false;
  });
}

export function percentile(times: Times, share: number): number {
  return times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
}
