/** Caches of the operator that lag: they return objects of the cluster in the version of an earlier time. */
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import type { RouteView } from '../../../operator/delivery/observation.js';
import type { Jobs, ModelRevision } from './model-revision.js';

/** Objects that a cache can return in an old version. The operator waits until the caches contain its own writes. */
export type Lagging = 'pods' | 'jobs' | 'route' | 'spec';

interface Current {
  revisions: ReadonlyMap<string, ModelRevision>;
  route: RouteView | undefined;
  target: string;
  settings: DeliverySpec;
}

/** What lags has a value, in the version of the time when it was frozen. */
export class LaggingCaches {
  readonly jobs = new Map<string, Jobs>();
  route: { route: RouteView | undefined } | undefined;
  spec: { target: string; settings: DeliverySpec } | undefined;
  private readonly pods = new Map<string, Pick<ModelRevision, 'ready' | 'leaving'>>();

  freeze(what: Lagging, { revisions, route, target, settings }: Current): void {
    if (what === 'route') this.route = { route };
    if (what === 'spec')
      this.spec = { target, settings: { ...settings, requests: { ...settings.requests } } };
    for (const [name, { ready, leaving, jobs }] of revisions) {
      if (what === 'pods') this.pods.set(name, { ready, leaving });
      if (what === 'jobs') this.jobs.set(name, { ...jobs });
    }
  }

  catchUp(): void {
    this.pods.clear();
    this.jobs.clear();
    this.route = undefined;
    this.spec = undefined;
  }

  /** The revision as the caches return it. */
  shown(name: string, state: ModelRevision): ModelRevision {
    return { ...state, ...this.pods.get(name), jobs: this.jobs.get(name) ?? state.jobs };
  }
}
