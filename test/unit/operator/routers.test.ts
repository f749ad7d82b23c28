import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { RouteView } from '../../../operator/delivery/observation.js';
import { sameRoute } from '../../../operator/delivery/plan.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { gatewayApi } from '../../../operator/traffic/gateway-api.js';
import { istio } from '../../../operator/traffic/istio.js';
import { none } from '../../../operator/traffic/none.js';
import type { TrafficRouter } from '../../../operator/traffic/router.js';
import { fromHttpRoute, fromVirtualService, ruleFor } from '../../../sandbox/gateway/routes.js';
import type { HttpRoute, VirtualService } from '../../../sandbox/gateway/types.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const api = pcfApi();
const retained = ['api-new', 'api-old'];
const all: RouteView = { weights: { 'api-old': 100 } };

function withTraffic(provider: 'Istio' | 'GatewayAPI') {
  const traffic = { provider, hosts: ['api.example.com'], gateways: ['infra/public'] };
  return { ...api, spec: { ...api.spec, traffic } } as typeof api;
}

/** Writes a route and reads it back. */
function roundTrip(router: TrafficRouter, route: RouteView | undefined): RouteView | undefined {
  const objects = router.render(api, route, retained);
  return router.read(api, (type, name) =>
    objects.find((one) => one.kind === type.kind && one.metadata.name === name),
  );
}

const exactRoute = fc
  .record({
    weight: fc.integer({ min: 0, max: 100 }),
    header: fc.boolean(),
    mirror: fc.integer({ min: 0, max: 100 }),
  })
  .map(({ weight, header, mirror }): RouteView => {
    const shares = Object.entries({ 'api-old': 100 - weight, 'api-new': weight }).filter(
      ([, share]) => share > 0,
    );
    return {
      weights: Object.fromEntries(shares),
      ...(shares.length > 1 ? { service: 'api-old' } : {}),
      ...(header ? { header: 'api-new', ...(mirror ? { mirror } : {}) } : {}),
    };
  });

describe('traffic routers', () => {
  for (const [name, router] of Object.entries({ Istio: istio, GatewayAPI: gatewayApi })) {
    it(`${name} reads back any route that it writes`, () => {
      fc.assert(fc.property(exactRoute, (route) => assert.deepEqual(roundTrip(router, route), route)));
    });

    it(`${name} writes the backends of a route before the route, and no route while no revision can serve`, () => {
      const kinds = router.render(api, { weights: { 'api-old': 100 } }, retained).map(({ kind }) => kind);
      assert.match(kinds.at(-1)!, /VirtualService|HTTPRoute/);
      assert.ok(
        router.render(api, undefined, retained).every(({ kind }) => !/VirtualService|HTTPRoute/.test(kind)),
      );
      assert.equal(roundTrip(router, undefined), undefined);
    });
  }

  for (const [name, router] of Object.entries({ Istio: istio, GatewayAPI: gatewayApi })) {
    const selectorOf = (route: RouteView | undefined) => {
      const service = router
        .render(api, route, retained)
        .find(({ kind, metadata }) => kind === 'Service' && metadata.name === 'api');
      return (service!.spec as { selector: Record<string, string> }).selector['pcf.dev/revision'];
    };

    it(`${name}: the Service selects the stable revision until the route sends all traffic to another one`, () => {
      const header = 'api-new';
      assert.equal(selectorOf(undefined), 'none');
      assert.equal(selectorOf({ weights: { 'api-old': 100 }, header }), 'api-old');
      const split = { weights: { 'api-old': 25, 'api-new': 75 }, service: 'api-old', header };
      assert.equal(selectorOf(split), 'api-old');
      assert.equal(selectorOf({ weights: { 'api-new': 100 }, header }), 'api-new');
      const open = { weights: { 'api-old': 25, 'api-new': 75 }, service: '*' };
      assert.equal(selectorOf(open), undefined, 'a rolling update: all revisions');
      assert.deepEqual(roundTrip(router, open), open);
    });

    it(`${name}: a Service that selects all revisions is read back as a different route`, () => {
      const route = { weights: { 'api-old': 100 } };
      const objects = structuredClone(router.render(api, route, retained));
      const service = objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === 'api')!;
      service.spec = { selector: {} };
      const read = router.read(api, (type, name) =>
        objects.find((one) => one.kind === type.kind && one.metadata.name === name),
      );
      assert.equal(sameRoute(read, route), false);
    });
  }

  for (const [name, router, resolve] of [
    ['Istio', istio, (route: KubeObject) => fromVirtualService(route as VirtualService, [])],
    ['GatewayAPI', gatewayApi, (route: KubeObject) => fromHttpRoute(route as HttpRoute)],
  ] as const) {
    it(`${name} routes /auth to the auth component at every weight, also for canary requests`, () => {
      const canary = { 'x-canary': 'true' };
      fc.assert(
        fc.property(exactRoute, (route) => {
          const auth = { service: 'api-auth', servesHttps: false };
          const objects = router.render(api, route, retained, { auth });
          const served = (url: string, headers = {}) =>
            ruleFor(resolve(objects.at(-1)!), { url, headers })!.destinations.map(({ service }) => service);
          for (const url of ['/auth', '/auth/login', '/auth/login?next=/'])
            for (const headers of [{}, canary]) assert.deepEqual(served(url, headers), ['api-auth']);
          for (const url of ['/graphql', '/authors', '/']) assert.ok(!served(url).includes('api-auth'), url);
          const read = router.read(api, (type, wanted) =>
            objects.find((one) => one.kind === type.kind && one.metadata.name === wanted),
          );
          assert.deepEqual(read, route);
        }),
      );
    });
  }

  it('Istio: the VirtualService has the host of the Service on gateway mesh', () => {
    const { hosts, gateways } = istio.render(withTraffic('Istio'), all, retained).at(-1)!.spec as Record<
      string,
      string[]
    >;
    assert.deepEqual(hosts, ['api.example.com', `api.${api.metadata.namespace}.svc.cluster.local`]);
    assert.deepEqual(gateways, ['infra/public', 'mesh']);
  });

  it('Istio: a host or gateway of the spec that equals that of the mesh is written once, as Istio rejects duplicates', () => {
    const service = `api.${api.metadata.namespace}.svc.cluster.local`;
    const traffic = { provider: 'Istio', hosts: ['api', service, 'api.example.com'], gateways: ['mesh'] };
    const own = { ...api, spec: { ...api.spec, traffic } } as unknown as typeof api;
    const { hosts, gateways } = istio.render(own, all, retained).at(-1)!.spec as Record<string, string[]>;
    assert.deepEqual(hosts, ['api.example.com', service]);
    assert.deepEqual(gateways, ['mesh']);
  });

  it('GatewayAPI: the HTTPRoute has the Service as a parent in addition to its Gateways', () => {
    const { parentRefs } = gatewayApi.render(withTraffic('GatewayAPI'), all, retained).at(-1)!.spec as {
      parentRefs: object[];
    };
    assert.deepEqual(parentRefs, [
      { namespace: 'infra', name: 'public' },
      { group: '', kind: 'Service', name: 'api' },
    ]);
  });

  it('GatewayAPI: a Gateway given with and without its namespace is one parent', () => {
    const { namespace } = api.metadata;
    const gateways = ['public', `${namespace}/public`, 'infra/public'];
    const own = { ...api, spec: { ...api.spec, traffic: { provider: 'GatewayAPI', hosts: [], gateways } } };
    const { parentRefs } = gatewayApi.render(own as unknown as typeof api, all, retained).at(-1)!.spec as {
      parentRefs: { namespace?: string; name: string }[];
    };
    assert.deepEqual(
      parentRefs.slice(0, -1).map((parent) => `${parent.namespace}/${parent.name}`),
      [`${namespace}/public`, 'infra/public'],
    );
  });

  it("the operator adds a route for the mesh if the user's own route does not serve the mesh", () => {
    const metadata = { name: 'mine', namespace: api.metadata.namespace };
    const cases: [TrafficRouter, object, object][] = [
      [istio, { hosts: ['shop.example.com'], gateways: ['public'] }, { hosts: ['api'], gateways: ['mesh'] }],
      [gatewayApi, { parentRefs: [{ name: 'public' }] }, { parentRefs: [{ kind: 'Service', name: 'api' }] }],
    ];
    for (const [router, outside, inside] of cases) {
      const names = (spec: object) => {
        const live = { apiVersion: 'v1', kind: 'Route', metadata, spec } as KubeObject;
        const traffic = { provider: 'Istio', routeRef: { name: 'mine' } };
        const own = { ...api, spec: { ...api.spec, traffic } } as unknown as typeof api;
        return router.render(own, all, retained, { userRoute: live }).map((one) => one.metadata.name);
      };
      assert.ok(names(outside).includes('api-mesh'));
      assert.ok(!names(inside).includes('api-mesh'));
    }
  });

  it('None: the Service selects one revision, both revisions, or no pods', () => {
    assert.deepEqual(roundTrip(none, { weights: { 'api-old': 100 } }), { weights: { 'api-old': 100 } });
    assert.deepEqual(roundTrip(none, { weights: { 'api-old': 50, 'api-new': 50 }, byPods: true }), {
      weights: {},
      byPods: true,
    });
    assert.equal(roundTrip(none, undefined), undefined);
  });

  it('Istio has a subset for every revision that has pods', () => {
    const [, , rule] = istio.render(api, { weights: { 'api-old': 100 } }, retained);
    assert.deepEqual(
      (rule!.spec as { subsets: { name: string }[] }).subsets.map(({ name }) => name),
      retained,
    );
  });
});
