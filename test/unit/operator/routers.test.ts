import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { RouteView } from '../../../operator/delivery/types.js';
import { gatewayApi } from '../../../operator/traffic/gateway-api.js';
import { istio } from '../../../operator/traffic/istio.js';
import { none } from '../../../operator/traffic/none.js';
import type { TrafficRouter } from '../../../operator/traffic/router.js';
import { pcfApi } from '../../support/fixtures.js';

const api = pcfApi();
const kept = ['api-new', 'api-old'];

/** Writes a route and reads it back. */
function roundTrip(router: TrafficRouter, route: RouteView | undefined): RouteView | undefined {
  const objects = router.render(api, route, kept);
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
      ...(header ? { header: 'api-new', ...(mirror ? { mirror } : {}) } : {}),
    };
  });

describe('traffic routers', () => {
  for (const [name, router] of Object.entries({ Istio: istio, GatewayAPI: gatewayApi })) {
    it(`${name} reads back any route that it writes`, () => {
      fc.assert(fc.property(exactRoute, (route) => assert.deepEqual(roundTrip(router, route), route)));
    });

    it(`${name} writes what a route leads to before the route, and no route while nothing can serve`, () => {
      const kinds = router.render(api, { weights: { 'api-old': 100 } }, kept).map(({ kind }) => kind);
      assert.match(kinds.at(-1)!, /VirtualService|HTTPRoute/);
      assert.ok(
        router.render(api, undefined, kept).every(({ kind }) => !/VirtualService|HTTPRoute/.test(kind)),
      );
      assert.equal(roundTrip(router, undefined), undefined);
    });
  }

  it('None pins the Service to one revision, opens it to both, or leads nowhere', () => {
    assert.deepEqual(roundTrip(none, { weights: { 'api-old': 100 } }), { weights: { 'api-old': 100 } });
    assert.deepEqual(roundTrip(none, { weights: { 'api-old': 50, 'api-new': 50 }, byPods: true }), {
      weights: {},
      byPods: true,
    });
    assert.equal(roundTrip(none, undefined), undefined);
  });

  it('Istio has a subset for every revision that has pods', () => {
    const [, rule] = istio.render(api, { weights: { 'api-old': 100 } }, kept);
    assert.deepEqual(
      (rule!.spec as { subsets: { name: string }[] }).subsets.map(({ name }) => name),
      kept,
    );
  });
});
