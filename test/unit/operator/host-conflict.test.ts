import assert from 'node:assert/strict';
import { KubeConfig } from '@kubernetes/client-node';
import { pino } from 'pino';
import { hostFinding } from '../../../cli/doctor/host-checks.js';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { Caches } from '../../../operator/reconciler/caches.js';
import { findIssues } from '../../../operator/reconciler/issues.js';
import { observe } from '../../../operator/reconciler/observe.js';
import { summarize } from '../../../operator/reconciler/summary.js';
import { HttpRouteKind, VirtualServiceKind } from '../../../operator/resources/kinds.js';
import { owned } from '../../../operator/resources/metadata.js';
import { CacheSet } from '../../../operator/runtime/cache-set.js';
import { ResourceEventType } from '../../../operator/runtime/event-types.js';
import { KubeClient, type KubeObject } from '../../../operator/runtime/kube-client.js';
import { claimKey, claimsOf } from '../../../operator/traffic/host-claims.js';
import { routerOf } from '../../../operator/traffic/index.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const OLD = '2026-11-01T00:00:00Z';
const YOUNG = '2026-11-02T00:00:00Z';
const HOST = 'api.example.com';

type Provider = 'Istio' | 'GatewayAPI';
const types = { Istio: VirtualServiceKind, GatewayAPI: HttpRouteKind };

function apiWith(provider: Provider, name: string): PcfApi {
  const traffic = { provider, hosts: [HOST], gateways: ['infra/public'] };
  const api = pcfApi({ traffic } as never);
  return { ...api, metadata: { ...api.metadata, name, uid: `uid-${name}` } };
}

/** The route as the operator writes it. */
function routeOf(api: PcfApi, creationTimestamp: string): KubeObject {
  const { name } = api.metadata;
  const route = routerOf(api)
    .render(api, { weights: { [`${name}-1`]: 100 } }, [`${name}-1`])
    .at(-1)!;
  return { ...route, metadata: { ...route.metadata, uid: `route-${name}`, creationTimestamp } };
}

let version = 0;

function cachesWith(...routes: KubeObject[]): Caches {
  const caches = new Caches(new CacheSet(new KubeClient(new KubeConfig()), pino({ level: 'silent' })));
  for (const route of routes) {
    const type = route.kind === 'HTTPRoute' ? HttpRouteKind : VirtualServiceKind;
    const versioned = { ...route, metadata: { ...route.metadata, resourceVersion: String(++version) } };
    if (route.metadata.ownerReferences) caches.noteWrite(type, versioned);
    else caches.noteRouteWrite(type, versioned);
  }
  return caches;
}

function reported(api: PcfApi, caches: Caches) {
  const observed = observe(api, caches);
  const settled = {
    ...{ position: { stable: observed.delivery.target }, replicas: {}, decisions: [] },
    route: { weights: { [observed.delivery.target]: 100 } },
    traffic: { desiredWeight: 0, effectiveWeight: 0, verified: true },
  };
  const found = findIssues(observed, [], settled).find(({ reason }) => reason === 'HostConflict');
  const { reason } = summarize({ ...observed, missingSecrets: [], missingKinds: [] }, settled, 0);
  return { message: found?.message, ready: reason === 'Ready', reason };
}

function foreign(provider: Provider, spec: object, creationTimestamp = OLD): KubeObject {
  const { group, version, kind } = types[provider];
  const metadata = { name: 'theirs', namespace: 'shop', uid: 'uid-theirs', creationTimestamp };
  return { apiVersion: `${group}/${version}`, kind, metadata, spec };
}

const virtualService = (http: object[], rest: object = {}) =>
  foreign('Istio', { hosts: [HOST], gateways: ['infra/public'], http, ...rest });
const httpRoute = (rule: object, rest: object = {}) =>
  foreign('GatewayAPI', {
    hostnames: [HOST],
    parentRefs: [{ name: 'public', namespace: 'infra' }],
    rules: [{ backendRefs: [{ name: 'shop', port: 80 }], ...rule }],
    ...rest,
  });
const toShop = { route: [{ destination: { host: 'shop' } }] };

describe('routes that claim the same host at the same gateway', () => {
  for (const provider of ['Istio', 'GatewayAPI'] as const) {
    it(`${provider}: HostConflict is reported only for the younger of two PcfApis, and names the older one`, () => {
      const [first, second] = [apiWith(provider, 'first'), apiWith(provider, 'second')];
      const caches = cachesWith(routeOf(first, YOUNG), routeOf(second, OLD));
      assert.match(
        reported(first, caches).message ?? '',
        /^(VirtualService|HTTPRoute) platform\/second of PcfApi platform\/second also claims api\.example\.com at gateway infra\/public, and is older/,
      );
      assert.equal(reported(second, caches).message, undefined);
      assert.ok(reported(second, caches).ready);
      const sameAge = cachesWith(routeOf(first, OLD), routeOf(second, OLD));
      assert.equal(reported(first, sameAge).message, undefined, 'the name decides if both have the same age');
      assert.ok(reported(second, sameAge).message);
    });

    it(`${provider}: HostConflict is reported before the younger route is written`, () => {
      const caches = cachesWith(routeOf(apiWith(provider, 'first'), OLD));
      assert.ok(reported(apiWith(provider, 'second'), caches).message);
    });

    it(`${provider}: a change of the claims of a route triggers the PcfApi of the other route, and a change of weights does not`, () => {
      const [first, second] = [apiWith(provider, 'first'), apiWith(provider, 'second')];
      const [route, other] = [routeOf(first, OLD), routeOf(second, YOUNG)];
      const caches = cachesWith(route, other);
      const added = caches.contenders(types[provider], { type: ResourceEventType.Added, object: other });
      assert.ok(added.includes('platform/first'));
      const deleted = { type: ResourceEventType.Deleted, object: route, old: route };
      assert.ok(caches.contenders(types[provider], deleted).includes('platform/second'));
      const edited = { type: ResourceEventType.Modified, object: route, old: route };
      assert.deepEqual(caches.contenders(types[provider], edited), []);
    });
  }

  it('GatewayAPI: a PcfApi whose hosts are all served by older routes is not Ready; with Istio the order is undefined', () => {
    for (const [provider, reason] of [
      ['GatewayAPI', 'HostConflict'],
      ['Istio', 'Ready'],
    ] as const) {
      const caches = cachesWith(routeOf(apiWith(provider, 'first'), OLD));
      assert.equal(reported(apiWith(provider, 'second'), caches).reason, reason);
    }
    const section = { parentRefs: [{ name: 'public', namespace: 'infra', sectionName: 'https' }] };
    const partial = reported(apiWith('GatewayAPI', 'second'), cachesWith(httpRoute({}, section)));
    assert.ok(partial.message && partial.ready, 'a route at one listener does not claim the other listeners');
  });

  it('Istio: a route of another owner for all requests of the host is a conflict, one for a path, a header or a redirect is not', () => {
    const api = apiWith('Istio', 'first');
    const isConflict = (route: KubeObject) => reported(api, cachesWith(route)).message !== undefined;
    assert.ok(isConflict(virtualService([toShop])));
    assert.ok(isConflict(virtualService([{ match: [{ uri: { prefix: '/' } }], ...toShop }])));
    assert.ok(!isConflict(virtualService([{ match: [{ uri: { prefix: '/docs' } }], ...toShop }])));
    assert.ok(!isConflict(virtualService([{ match: [{ headers: { a: { exact: 'b' } } }], ...toShop }])));
    assert.ok(!isConflict(virtualService([{ redirect: { scheme: 'https' } }])));
    assert.ok(!isConflict(virtualService([toShop], { gateways: ['mesh'] })));
    assert.ok(
      !isConflict(virtualService([toShop], { gateways: ['public'] })),
      'a gateway in the namespace of the route',
    );
    assert.ok(!isConflict(virtualService([toShop], { hosts: ['other.example.com'] })));
  });

  it('GatewayAPI: neither a route for a path nor one that its Gateway rejects is a conflict', () => {
    const api = apiWith('GatewayAPI', 'first');
    const isConflict = (route: KubeObject) => reported(api, cachesWith(route)).message !== undefined;
    assert.ok(isConflict(httpRoute({})));
    assert.ok(!isConflict(httpRoute({ matches: [{ path: { type: 'PathPrefix', value: '/docs' } }] })));
    assert.ok(!isConflict(httpRoute({ backendRefs: [], filters: [{ type: 'RequestRedirect' }] })));
    assert.ok(!isConflict(httpRoute({}, { parentRefs: [{ kind: 'Service', name: 'public' }] })));
    const parentRef = { name: 'public', namespace: 'infra' };
    const conditions = [{ type: 'Accepted', status: 'False', reason: 'NotAllowedByListeners' }];
    const rejected = { ...httpRoute({}), status: { parents: [{ parentRef, conditions }] } };
    assert.ok(!isConflict(rejected));
  });

  it('a wildcard host that both routes claim is a conflict', () => {
    const api = apiWith('Istio', 'first');
    api.spec.traffic!.hosts = ['*.example.com'];
    const hosts = ['*.example.com'];
    assert.ok(reported(api, cachesWith(virtualService([toShop], { hosts }))).message);
  });

  it('routes of the PcfApi itself, and the route of its routeRef, are no conflict', () => {
    const api = apiWith('Istio', 'first');
    const before = owned(api, VirtualServiceKind, 'earlier', { spec: routeOf(api, OLD).spec });
    assert.equal(reported(api, cachesWith(routeOf(api, YOUNG), before)).message, undefined);
    const theirs = virtualService([toShop]);
    const follower = { ...theirs, metadata: { ...theirs.metadata, namespace: 'platform' } };
    const following = pcfApi({ traffic: { provider: 'Istio', routeRef: { name: 'theirs' } } } as never);
    assert.equal(reported(following, cachesWith(follower)).message, undefined);
    const other = { ...routeOf(api, OLD) };
    assert.ok(
      reported(
        following,
        cachesWith({ ...follower, metadata: { ...follower.metadata, creationTimestamp: YOUNG } }, other),
      ).message,
    );
  });

  it('HostConflict names the other routes in the same order after one of them was updated', () => {
    const api = apiWith('Istio', 'first');
    const named = (name: string) => {
      const route = virtualService([toShop]);
      return { ...route, metadata: { ...route.metadata, name, uid: `uid-${name}` } };
    };
    const before = reported(api, cachesWith(named('a'), named('b'))).message;
    assert.ok(before);
    assert.equal(reported(api, cachesWith(named('b'), named('a'))).message, before);
  });

  it('a VirtualService without spec claims no host, and later versions are cached', () => {
    const empty = { ...virtualService([toShop]), spec: undefined };
    assert.deepEqual(claimsOf(empty), []);
    const caches = cachesWith(empty, virtualService([toShop]));
    assert.ok(reported(apiWith('Istio', 'first'), caches).message);
  });

  it('the key of a claim consists of gateway and host', () => {
    assert.deepEqual(claimsOf(virtualService([toShop])).map(claimKey), ['infra/public api.example.com']);
    assert.deepEqual(claimsOf(httpRoute({}, { hostnames: undefined })).map(claimKey), ['infra/public *']);
  });

  describe('kubectl pcf doctor', () => {
    it('fails for an older route, warns of a younger one and of a wildcard, and is ok otherwise', () => {
      const api = apiWith('Istio', 'first');
      const own = routeOf(api, '2026-11-01T12:00:00Z');
      const find = (route: KubeObject) => hostFinding(api, [own, route]);
      const theirs = virtualService([toShop]);
      assert.equal(find(theirs).outcome, 'fail');
      assert.match(find(theirs).message, /VirtualService shop\/theirs also claims api\.example\.com/);
      const younger = { ...theirs, metadata: { ...theirs.metadata, creationTimestamp: YOUNG } };
      assert.equal(find(younger).outcome, 'warn');
      const wildcard = find(virtualService([toShop], { hosts: ['*.example.com'] }));
      assert.equal(wildcard.outcome, 'warn');
      assert.match(wildcard.message, /overlaps with api\.example\.com/);
      assert.equal(find(virtualService([toShop], { hosts: ['other.example.com'] })).outcome, 'ok');
    });
  });
});
