/**
 * The state of the reconciler between reconciles, by PcfApi. In memory only: after a restart, a route counts as new,
 * which delays the removal of pods by seconds. A timestamp in the status would cost one write per change of a weight.
 */
import type { RouteView } from '../delivery/observation.js';

export class ReconcileState {
  /** The last observed route, as text, and since when it is unchanged. */
  private readonly routes = new Map<string, { route: string; since: number }>();
  /** PcfApis whose status was postponed to the next reconcile. */
  private readonly postponed = new Set<string>();
  /** When the status was last written. In milliseconds. */
  private readonly statusWrites = new Map<string, number>();

  /**
   * Milliseconds since this route or the list of its objects last changed. The list can also have the route of
   * another provider, which is not read. `now` in milliseconds.
   */
  routeAgeMs(key: string, route: RouteView | undefined, objects: readonly string[], now: number): number {
    const text = JSON.stringify([route ?? null, objects]);
    const known = this.routes.get(key);
    if (known?.route === text) return Math.max(0, now - known.since);
    this.routes.set(key, { route: text, since: now });
    return 0;
  }

  /** Postpones the status of this reconcile, unless it was postponed by the one before. */
  postponeStatus(key: string): boolean {
    if (this.postponed.delete(key)) return false;
    this.postponed.add(key);
    return true;
  }

  /** The status of this reconcile is written. */
  endPostponement(key: string): void {
    this.postponed.delete(key);
  }

  /** Milliseconds until a change that is written this long after the last write is due; 0: now. */
  statusDueInMs(key: string, intervalMs: number, now: number): number {
    const writtenAt = this.statusWrites.get(key);
    return writtenAt === undefined ? 0 : Math.max(0, writtenAt + intervalMs - now);
  }

  statusWritten(key: string, now: number): void {
    this.statusWrites.set(key, now);
  }

  forget(key: string): void {
    this.statusWrites.delete(key);
    this.routes.delete(key);
    this.postponed.delete(key);
  }
}
