/** Deletion of a PcfApi: the route is deleted first, so that no request reaches a terminating pod. Kubernetes deletes the rest. */
import { FINALIZER, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import { ROUTES } from '../resources/kinds.js';
import { ReconcileError } from '../runtime/controller.js';
import { isNotFound } from '../runtime/kube-client.js';
import type { ReconcilerDependencies } from './dependencies.js';
import { type Obstacle, obstacleOf, RETRY_WITHIN_MS } from './obstacle.js';
import { deletingStatus } from './pcfapi-status.js';
import type { StatusReporter } from './status-reporter.js';
import { releasingEdits } from './user-routes.js';

/** Finalizer of `kubectl delete --cascade=orphan`: pods, Services and routes remain, and continue to serve. */
const ORPHAN_FINALIZER = 'orphan';

/** Each deletion of a route causes an event, and so another call. */
export async function finalize(
  api: PcfApi,
  { caches, actor, clock }: Pick<ReconcilerDependencies, 'caches' | 'actor' | 'clock'>,
  reporter: StatusReporter,
): Promise<void> {
  if (!api.metadata.finalizers?.includes(FINALIZER)) return;
  const removeFinalizer = () => ignoreNotFound(actor.setFinalizer(api, false));
  if (api.metadata.finalizers.includes(ORPHAN_FINALIZER)) return removeFinalizer();
  const routes = ROUTES.flatMap((type) => caches.ownedBy(type, api).map((object) => ({ type, object })));
  const report = (obstacle?: Obstacle) =>
    ignoreNotFound(reporter.write(api, deletingStatus(api, routes, obstacle, clock())));
  try {
    await actor.release(releasingEdits(api, caches));
    const present = routes.filter(({ object }) => !object.metadata.deletionTimestamp);
    // A route that lost its owner in the meantime is an orphan and must remain.
    await actor.remove(present, { unchanged: true });
  } catch (error) {
    const obstacle = obstacleOf(error);
    if (!obstacle) throw error;
    const { reason, message: note } = obstacle;
    await report(obstacle);
    if (api.status?.reason !== reason)
      reporter.announce(api, { type: 'Warning', reason, action: 'Delete', note });
    // Retried even if it was rejected: the finalizer blocks the deletion, and no event announces that it would pass.
    throw new ReconcileError(obstacle.message, error, { retryWithinMs: RETRY_WITHIN_MS });
  }
  if (routes.length > 0) return report();
  await removeFinalizer();
}

async function ignoreNotFound(write: Promise<unknown>): Promise<void> {
  await write.catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
}
