/** Weight edits at a steady rate, whether earlier ones took effect or not: a slow reaction delays later edits, too. */
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../../../sandbox/process/within.js';
import { NAMESPACE } from '../operator/cluster.js';
import { carried, type Subject, type Times } from '../operator/weight-edits.js';

/** Edits of one object must not overlap: an object is edited again after this many edits at least. */
export const MIN_SUBJECTS = 40;
const LIMIT_MS = 120_000;

/** Returns the times from each edit to the change of its VirtualService. */
export async function steadyEdits(subject: Subject, edits: number, perSecond: number): Promise<Times> {
  const { names, routes } = subject;
  const times: number[] = [];
  const pending = new Map<string, (at: number) => void>();
  // A handler can't be removed, so it must be cheap afterwards.
  routes.on(({ object }) => pending.get(object.metadata.name)?.(performance.now()));
  const startedAt = performance.now();
  const running: Promise<void>[] = [];
  for (let index = 0; index < edits; index++) {
    const dueAt = startedAt + (index * 1000) / perSecond;
    await sleep(Math.max(0, dueAt - performance.now()));
    const name = names[index % names.length]!;
    running.push(edit(subject, name, index, pending).then((ms) => void times.push(ms)));
  }
  await within('every edit has changed its VirtualService', Promise.all(running), LIMIT_MS);
  return times.sort((a, b) => a - b);
}

let turn = 0;

async function edit(
  { names, routes, setWeight }: Subject,
  name: string,
  index: number,
  pending: Map<string, (at: number) => void>,
): Promise<number> {
  const before = routes.get(NAMESPACE, name)?.metadata.resourceVersion;
  const { promise, resolve } = Promise.withResolvers<number>();
  pending.set(name, (at) => {
    if (routes.get(NAMESPACE, name)?.metadata.resourceVersion !== before) resolve(at);
  });
  const startedAt = performance.now();
  // Counts over all runs, because the same weight as before would be no change.
  turn += 1;
  await setWeight(name, carried(index % names.length, turn));
  const changedAt = await promise;
  pending.delete(name);
  return changedAt - startedAt;
}
