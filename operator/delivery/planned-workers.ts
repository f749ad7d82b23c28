/**
 * Workers of each revision. They have no router: workers compete for jobs, so a revision gets the share of the jobs
 * that it has of the workers. The share follows the weight. Workers stop only when others are ready in their place: the
 * number of ready workers does not fall below the desired number of both revisions together. Only those of an aborted
 * revision stop once one other worker is ready: jobs can wait, and a job that fails often is lost.
 */
import type { DeliveryContext } from './context.js';
import type { RevisionView } from './observation.js';
import { withPods } from './planned-replicas.js';
import { isMigrated } from './revision-view.js';
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

/** The planned workers; empty if the worker stays on the stable revision until the promotion. */
export function planWorkers(context: DeliveryContext, traffic: ServedTraffic): Workers {
  const { spec, stable, canary } = context;
  const full = spec.workers?.replicas ?? 0;
  if (!stable || full === 0) return {};
  const share = canary ? canaryShare(context, canary, full, traffic.effectiveWeight) : 0;
  // No worker can wait for those of the stable revision, which cannot start.
  if (workersOf(stable).lacksRedis) return canary ? withPods(canary.name, share) : {};
  if (!canary) {
    const planned = { [stable.name]: full };
    return { ...planned, ...outgoingWorkers(context, full, planned, traffic) };
  }
  const pair: Pair = { context, stable, canary, full, share };
  const old = stableWorkers(pair);
  const fresh = canaryWorkers(pair, old);
  const outgoing = outgoingWorkers(context, full, { [stable.name]: old, [canary.name]: fresh }, traffic);
  const room = mostWorkers(full) - old - Object.values(outgoing).reduce((sum, count) => sum + count, 0);
  // Workers that run already are part of the budget.
  const started = Math.max(Math.min(fresh, room), Math.min(fresh, workersOf(canary).replicas));
  return { ...outgoing, ...withPods(stable.name, old), ...withPods(canary.name, started) };
}

/** The two revisions of a delivery. */
interface Pair {
  context: DeliveryContext;
  stable: RevisionView;
  canary: RevisionView;
  /** Desired workers of both revisions together. */
  full: number;
  /** Workers of the new revision by its weight. */
  share: number;
}

/** Workers of all revisions together, for which the connection budget has room. */
function mostWorkers(full: number): number {
  return 2 * full + 1;
}

function canaryShare(
  context: DeliveryContext,
  canary: RevisionView,
  full: number,
  effectiveWeight: number,
): number {
  const { position, spec } = context;
  const desired = workerShare(full, position.weight ?? 0, spec.workers?.minWeight);
  return mayRun(context, canary, effectiveWeight) ? desired : 0;
}

/** They make room for ready workers of the new revision: in a delivery all but one, in an undo all of them. */
function stableWorkers({ context: { position }, stable, canary, full, share }: Pair): number {
  const ready = Math.min(share, workersOf(canary).ready);
  if (!position.undo) return Math.max(1, full - ready);
  const least = ready === 0 ? 1 : 0;
  return Math.max(least, Math.min(full - ready, workersOf(stable).replicas));
}

/** With a lower weight, the workers above the share remain until stable ones are ready. */
function canaryWorkers({ stable, canary, full, share }: Pair, stableCount: number): number {
  const missing = full - Math.min(stableCount, workersOf(stable).ready);
  return isMigrated(canary) ? Math.max(share, Math.min(readyOf(canary), missing)) : share;
}

/**
 * Workers of revisions that are no longer delivered: as many as the others lack, and of an aborted one none once another
 * worker is ready. The revision before the stable one retains one as long as its other pods, so that an undo has a
 * worker at once.
 */
function outgoingWorkers(
  { position, revisions, stable, canary }: DeliveryContext,
  full: number,
  planned: Workers,
  { replicas }: ServedTraffic,
): Workers {
  const { previous, failed } = position;
  const ready = [stable, canary].map((view) =>
    view ? Math.min(planned[view.name] ?? 0, workersOf(view).ready) : 0,
  );
  const others = ready.reduce((total, one) => total + one, 0);
  let missing = Math.max(0, full - others);
  const outgoing: Workers = {};
  for (const view of revisions) {
    const { name } = view;
    if (name === stable?.name || name === canary?.name) continue;
    const hasPods = (replicas[name] ?? 0) > 0;
    const isAborted = failed?.revision === name;
    // A revision that an analysis rejected must not process jobs for longer than its pods could serve.
    const isExpired = failed?.reason === 'AnalysisFailed' && !hasPods;
    const isRetained = name === previous && !isAborted && hasPods;
    const least = isRetained && workersOf(view).replicas > 0 ? 1 : 0;
    const count = isAborted && (others > 0 || isExpired) ? 0 : Math.min(readyOf(view), missing);
    missing -= count;
    Object.assign(outgoing, withPods(name, Math.max(least, count)));
  }
  return outgoing;
}

function readyOf(view: RevisionView): number {
  const { replicas, ready } = workersOf(view);
  return Math.min(replicas, ready);
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
