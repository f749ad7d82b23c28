import assert from 'node:assert/strict';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import type { PcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import type { DeliveryPosition } from '../../../operator/api/v1alpha1/status/delivery-position.js';
import { plan } from '../../../operator/delivery/plan.js';
import { desiredObjects, removable, unwantedObjects } from '../../../operator/reconciler/desired.js';
import { observe } from '../../../operator/reconciler/observe.js';
import type { ClusterView } from '../../../operator/reconciler/observed.js';
import { EMPTY_CLUSTER } from '../../../operator/reconciler/render.js';
import { deliverySpecOf } from '../../../operator/reconciler/strategies.js';
import { ROUTES } from '../../../operator/resources/kinds.js';
import { LABELS } from '../../../operator/resources/metadata.js';
import { controllerRevision, newRevision } from '../../../operator/resources/revision.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const REPLICAS = 3;
const now = Date.parse('2026-11-29T10:00:00Z');

type Provider = 'Istio' | 'GatewayAPI' | 'None';

const trafficOf = (provider: Provider) => ({
  provider,
  ...(provider === 'None' ? {} : { hosts: ['api.example.com'], gateways: ['infra/public'] }),
});

/** In-memory cluster: two revisions with ready pods, and the objects that the operator wrote. */
class Cluster {
  private readonly objects = new Map<string, KubeObject>();
  private readonly pods: KubeObject[];
  private readonly slices: KubeObject[] = [];
  readonly old: string;
  readonly fresh: string;
  private api: PcfApi;
  private position: DeliveryPosition;

  constructor(provider: Provider, weight: number) {
    const build = (image: string) => this.apiWith({ image, traffic: trafficOf(provider) as never });
    const revisions = ['1.0.0', '2.0.0'].map((tag, index) => {
      const api = build(`registry.example.com/pcf-api:${tag}`);
      return controllerRevision(api, newRevision(api, index + 1));
    });
    [this.old, this.fresh] = revisions.map(({ metadata }) => metadata.name) as [string, string];
    this.api = this.apiWith({
      image: 'registry.example.com/pcf-api:2.0.0',
      canaryWeight: weight,
      traffic: trafficOf(provider) as never,
    });
    this.position = { stable: this.old, update: this.fresh, startedAt: '2026-11-29T09:00:00Z' };
    for (const revision of revisions) this.write(revision);
    this.pods = [this.old, this.fresh].flatMap((revision) =>
      Array.from({ length: REPLICAS }, (_, index) => podOf(revision, index)),
    );
    // Repeat until the objects do not change.
    for (let round = 0; round < 5; round++) {
      this.addEndpoints();
      this.reconcile();
    }
  }

  private apiWith(spec: Partial<PcfApiSpec>): PcfApi {
    return pcfApi({ replicas: REPLICAS, migrations: { mode: 'Disabled' }, ...spec } as never);
  }

  switchTo(provider: Provider): void {
    this.api = { ...this.api, spec: { ...this.api.spec, traffic: trafficOf(provider) as never } };
  }

  /** Reverts the spec to the old revision, which cancels the delivery of the new one. */
  cancelDelivery(): void {
    this.api = { ...this.api, spec: { ...this.api.spec, image: 'registry.example.com/pcf-api:1.0.0' } };
  }

  loseStatus(): void {
    this.position = {};
  }

  /** Updates the EndpointSlices of each Service to its current selector. */
  addEndpoints(): void {
    this.slices.length = 0;
    for (const { kind, metadata, spec } of this.objects.values()) {
      if (kind !== 'Service') continue;
      const { selector } = spec as { selector: Record<string, string> };
      const selected = this.pods.filter(({ metadata: { labels = {} } }) =>
        Object.entries(selector).every(([key, value]) => labels[key] === value),
      );
      this.slices.push({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: metadata.name, labels: { 'kubernetes.io/service-name': metadata.name } },
        endpoints: selected.map((pod) => ({
          conditions: { ready: true },
          targetRef: { kind: 'Pod', name: pod.metadata.name },
        })),
      } as KubeObject);
    }
  }

  /** Runs one reconcile and returns its written and deleted objects as `Kind/name`. */
  reconcile({ isSettled = true, at = now } = {}) {
    const status = { delivery: this.position };
    const observed = observe({ ...this.api, status } as PcfApi, this.view());
    const settings = deliverySpecOf(this.api, observed.router);
    const routeAgeMs = isSettled ? 60_000 : 0;
    const planned = plan({ ...observed.delivery, startable: true, routeAgeMs }, settings, at);
    const desired = desiredObjects(observed, planned);
    const removed = removable(unwantedObjects(observed, desired, planned), planned, observed, isSettled);
    const written = desired.filter(
      (object) => JSON.stringify(this.objects.get(keyOf(object))) !== JSON.stringify(object),
    );
    for (const object of desired) this.write(object);
    for (const { object } of removed) this.objects.delete(keyOf(object));
    this.position = planned.position;
    const isRouting = ({ kind }: KubeObject) =>
      ['Service', 'VirtualService', 'HTTPRoute', 'DestinationRule', 'Ingress'].includes(kind);
    return {
      planned,
      observed,
      written: written.filter(isRouting).map(keyOf),
      removed: removed.map(({ object }) => keyOf(object)).sort(),
    };
  }

  write(object: KubeObject): void {
    this.objects.set(keyOf(object), object);
  }

  get(key: string): KubeObject | undefined {
    return this.objects.get(key);
  }

  /** Restores the objects of an earlier version: Service `api` had the subsets and selected all revisions. */
  downgrade(): void {
    for (const key of ['VirtualService/api', 'Service/api-revisions', 'DestinationRule/api-revisions']) {
      const text = JSON.stringify(this.objects.get(key)).replaceAll('api-revisions', 'api');
      this.objects.delete(key);
      this.write(JSON.parse(text) as KubeObject);
    }
    this.addEndpoints();
  }

  private view(): ClusterView {
    const ofKind = (kind: string) => {
      if (kind === 'Pod') return this.pods;
      if (kind === 'EndpointSlice') return this.slices;
      return [...this.objects.values()].filter((object) => object.kind === kind);
    };
    return {
      ...EMPTY_CLUSTER,
      get: ({ kind }, _api, name) => ofKind(kind).find(({ metadata }) => metadata.name === name),
      ownedBy: ({ kind }) => ofKind(kind),
    };
  }
}

function podOf(revision: string, index: number): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${revision}-${index}`,
      labels: { [LABELS.instance]: 'api', [LABELS.component]: 'api', [LABELS.revision]: revision },
    },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  };
}

const keyOf = ({ kind, metadata }: KubeObject) => `${kind}/${metadata.name}`;
const isRoute = (key: string) => ROUTES.some(({ kind }) => key.startsWith(`${kind}/`));

describe('order of writes and deletions of routes and their Services', () => {
  it('without a change of the spec nothing is written or deleted', () => {
    for (const provider of ['Istio', 'GatewayAPI', 'None'] as const) {
      const cluster = new Cluster(provider, 30);
      const { written, removed, planned } = cluster.reconcile();
      assert.deepEqual([written, removed], [[], []], provider);
      assert.equal(planned.routeWaitsFor, undefined);
    }
  });

  for (const [from, to, route] of [
    ['None', 'Istio', 'VirtualService/api'],
    ['None', 'GatewayAPI', 'HTTPRoute/api'],
    ['Istio', 'GatewayAPI', 'HTTPRoute/api'],
    ['GatewayAPI', 'Istio', 'VirtualService/api'],
  ] as const) {
    it(`${from} to ${to}: the route and the Service of the API are written once the new Services have endpoints`, () => {
      const cluster = new Cluster(from, 30);
      const service = cluster.get('Service/api');
      const pods = cluster.reconcile().planned.replicas;
      cluster.switchTo(to);
      const first = cluster.reconcile();
      assert.match(
        first.planned.routeWaitsFor ?? '',
        /^endpoints of api-\w+ and api-\w+ behind a new Service$/,
      );
      assert.ok(!first.written.some((key) => isRoute(key) || key === 'Service/api'), String(first.written));
      assert.ok(
        first.written.some((key) => key.startsWith('Service/')),
        'the new Services are written',
      );
      assert.deepEqual(first.removed, []);
      assert.deepEqual(cluster.get('Service/api'), service);
      for (const [name, count] of Object.entries(pods))
        assert.ok(first.planned.replicas[name]! >= count, 'no pod is removed while the route waits');
      cluster.addEndpoints();
      const second = cluster.reconcile();
      assert.equal(second.planned.routeWaitsFor, undefined);
      assert.equal(second.written.at(-1), route);
    });

    it(`${to} to ${from}: the previous route is deleted after the new one is in effect, and its Services after that`, () => {
      const cluster = new Cluster(to, 30);
      cluster.switchTo(from);
      const removals: string[][] = [];
      for (let round = 0; round < 6; round++) {
        cluster.addEndpoints();
        removals.push(cluster.reconcile({ isSettled: false }).removed);
        removals.push(cluster.reconcile().removed);
      }
      const steps = removals.filter((step) => step.length > 0);
      assert.deepEqual(steps[0], [route], 'the route alone');
      assert.equal(steps.length, 2);
      assert.ok(
        steps[1]!.every((key) => /^(Service|DestinationRule)\//.test(key)),
        String(steps[1]),
      );
      assert.deepEqual(cluster.reconcile().written, []);
    });
  }

  it('nothing is deleted while the new route is not in effect', () => {
    const cluster = new Cluster('Istio', 30);
    cluster.switchTo('GatewayAPI');
    for (let round = 0; round < 3; round++) assert.deepEqual(cluster.reconcile().removed, []);
    cluster.addEndpoints();
    assert.deepEqual(cluster.reconcile({ isSettled: false }).removed, []);
    assert.deepEqual(cluster.reconcile({ isSettled: false }).removed, []);
    assert.deepEqual(cluster.reconcile().removed, ['VirtualService/api']);
  });

  it('pods that the previous route selects are deleted after that route, even if the new route waits for an hour', () => {
    const cluster = new Cluster('Istio', 30);
    cluster.switchTo('GatewayAPI');
    cluster.cancelDelivery();
    cluster.reconcile();
    const later = now + 3_600_000;
    const pods = `Deployment/${cluster.fresh}`;
    assert.deepEqual(cluster.reconcile({ at: later }).removed, []);
    cluster.addEndpoints();
    cluster.reconcile({ isSettled: false, at: later });
    assert.deepEqual(cluster.reconcile({ at: later }).removed, ['VirtualService/api']);
    assert.ok(cluster.reconcile({ at: later }).removed.includes(pods));
  });

  it('no object with traffic is written or deleted if the status is lost before the new route exists', () => {
    const cluster = new Cluster('Istio', 30);
    const service = cluster.get('Service/api');
    cluster.switchTo('GatewayAPI');
    cluster.loseStatus();
    const { planned, removed } = cluster.reconcile();
    assert.equal(planned.position.stable, cluster.old);
    assert.deepEqual(removed, []);
    assert.deepEqual(cluster.get('Service/api'), service);
  });

  it('an upgrade that routes to another Service keeps the weights, the pods and the old objects until that Service has endpoints', () => {
    const cluster = new Cluster('Istio', 30);
    const before = cluster.reconcile().planned;
    cluster.downgrade();
    const first = cluster.reconcile();
    assert.deepEqual(first.planned.route?.weights, before.route?.weights);
    assert.deepEqual(first.planned.replicas, before.replicas);
    assert.ok(!first.written.some((key) => isRoute(key) || key === 'Service/api'), String(first.written));
    assert.deepEqual(first.removed, []);
    cluster.addEndpoints();
    const second = cluster.reconcile({ isSettled: false });
    assert.ok(second.written.includes('VirtualService/api'));
    assert.deepEqual(second.removed, []);
    cluster.reconcile({ isSettled: false });
    assert.deepEqual(cluster.reconcile().removed, ['DestinationRule/api']);
  });
});
