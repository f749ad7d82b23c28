/**
 * Since when each route has been as it is. Kept in memory: after a restart a route counts
 * as new, which costs a moment's patience, where a timestamp in the status would cost a
 * write for each change of a weight.
 */
import type { RouteView } from '../delivery/observation.js';

export class RouteAges {
  private readonly known = new Map<string, { route: string; since: number }>();

  /**
   * Milliseconds since this route or the list of its objects last changed. The list can also have the route of
   * another provider, which is not read. `now` in milliseconds.
   */
  age(key: string, route: RouteView | undefined, objects: readonly string[], now: number): number {
    const text = JSON.stringify([route ?? null, objects]);
    const known = this.known.get(key);
    if (known?.route === text) return Math.max(0, now - known.since);
    this.known.set(key, { route: text, since: now });
    return 0;
  }

  forget(key: string): void {
    this.known.delete(key);
  }
}
