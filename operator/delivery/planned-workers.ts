/**
 * Workers of each revision. They have no router: workers compete for jobs, so a revision gets the share of the jobs
 * that it has of the workers. The share follows the weight, and the number of workers is retained: on the way up,
 * workers of the new revision are ready before stable ones are removed; on the way down they are removed at once.
 */
import type { DeliveryContext } from './context.js';
import type { RevisionView } from './observation.js';
import { withPods } from './planned-replicas.js';
import { isMigrated, viewOf } from './revision-view.js';
import { isStartable } from './startable.js';

/** Workers per revision. */
type Workers = Record<string, number>;

/** What the number of workers depends on, apart from the position. */
export interface ServedTraffic {
  /** Effective weight of the new revision, in percent. */
  effectiveWeight: number;
  /** Pods of the API per revision, including those that are retained for an undo. */
  replicas: Record<string, number>;
}

/**
 * The planned workers; empty if the worker stays on the stable revision until the promotion. A revision that is
 * aborted has none: its jobs return to the queue. The revision before the stable one retains one worker as long as its
 * other pods, so that an undo has a worker at once.
 */
export function planWorkers(context: DeliveryContext, traffic: ServedTraffic): Workers {
  const { spec, stable, canary, position, revisions } = context;
  const full = spec.workers?.replicas ?? 0;
  if (!stable || full === 0) return {};
  const { previous } = position;
  const isRetained =
    previous !== undefined &&
    ![stable.name, canary?.name, position.failed?.revision].includes(previous) &&
    (traffic.replicas[previous] ?? 0) > 0 &&
    workersOf(viewOf(revisions, previous)).replicas > 0;
  return {
    ...workersInDelivery(context, stable, full, traffic.effectiveWeight),
    ...(isRetained ? { [previous]: 1 } : {}),
  };
}

function workersInDelivery(
  context: DeliveryContext,
  stable: RevisionView,
  full: number,
  effectiveWeight: number,
): Workers {
  const { canary, position, spec } = context;
  if (!canary) return { [stable.name]: full };
  const { weight = 0, undo } = position;
  const desired = workerShare(full, weight, spec.workers?.minWeight);
  const planned = mayRun(context, canary, effectiveWeight) ? desired : 0;
  const ready = Math.min(planned, workersOf(canary).ready);
  const left = undo ? leftToUndone(ready, stable, full) : Math.max(1, full - ready);
  return { ...withPods(stable.name, left), ...withPods(canary.name, planned) };
}

/**
 * Workers of the new revision for a weight in percent, of `full`. Between 0 and 100 both revisions have at least one:
 * with a single worker this is one more. Below `minWeight` the new revision has none.
 */
export function workerShare(full: number, weight: number, minWeight = 1): number {
  if (weight === 0 || weight < minWeight) return 0;
  if (weight >= 100) return full;
  return Math.min(Math.max(1, full - 1), Math.max(1, Math.round((full * weight) / 100)));
}

/**
 * A worker needs the schema of its revision. The first one starts with the first request to the revision: its pods are
 * ready then. Later, pods that become unready for a moment stop no worker.
 */
function mayRun(context: DeliveryContext, canary: RevisionView, effectiveWeight: number): boolean {
  const { spec } = context;
  if (!isMigrated(canary)) return false;
  if (workersOf(canary).replicas > 0) return true;
  const isServing = effectiveWeight > 0 || spec.replicas === 0;
  return isStartable(context) && !spec.paused && isServing;
}

/** In an undo, the workers of the undone revision stop as soon as one of the earlier revision is ready. */
function leftToUndone(ready: number, undone: RevisionView, full: number): number {
  return ready > 0 ? 0 : Math.max(1, Math.min(full, workersOf(undone).replicas));
}

/** What the promotion waits for: the old revision's workers stop after it. Undefined if all are ready. */
export function pendingWorkers({ canary, stable, spec }: DeliveryContext): string | undefined {
  const full = spec.workers?.replicas ?? 0;
  if (!canary || !stable) return undefined;
  const { ready } = workersOf(canary);
  return ready < full ? `its workers: ${ready} of ${full} are ready` : undefined;
}

/** The workers as they are. */
export function runningWorkers(revisions: readonly RevisionView[]): Workers {
  const running = revisions.map((view) => [view.name, workersOf(view).replicas] as const);
  return Object.fromEntries(running.filter(([, replicas]) => replicas > 0));
}

export function workersOf({ workers }: RevisionView): NonNullable<RevisionView['workers']> {
  return workers ?? { replicas: 0, ready: 0 };
}
