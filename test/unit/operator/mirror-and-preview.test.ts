import assert from 'node:assert/strict';
import type { DeliveryPlan } from '../../../operator/delivery/delivery-plan.js';
import { desiredObjects } from '../../../operator/reconciler/desired.js';
import { observe } from '../../../operator/reconciler/observe.js';
import { gatewayApi } from '../../../operator/traffic/gateway-api.js';
import { istio } from '../../../operator/traffic/istio.js';
import { fromHttpRoute, fromVirtualService, ruleFor } from '../../../sandbox/gateway/routes.js';
import type { DestinationRule, HttpRoute, VirtualService } from '../../../sandbox/gateway/types.js';
import { pcfApi } from '../../support/fixtures.js';

const kept = ['api-new', 'api-old'];
const route = { weights: { 'api-old': 90, 'api-new': 10 }, header: 'api-new', mirror: 25 };

describe("copies of requests, as the sandbox's gateway reads what a router writes", () => {
  const api = pcfApi();

  it('Istio: 25 % of the requests without the header, to the pods of the canary', () => {
    const [, , rule, virtualService] = istio.render(api, route, kept);
    const read = fromVirtualService(virtualService as VirtualService, [rule as DestinationRule]);
    const [mirror] = ruleFor(read, { headers: {} })!.mirrors!;
    assert.equal(mirror?.weight, 25);
    assert.deepEqual(Object.values(mirror.labels), ['api-new']);
    assert.deepEqual(ruleFor(read, { headers: { 'x-canary': 'true' } })!.mirrors, []);
  });

  it('Gateway API: 25 % of the requests without the header, to the Service of the canary', () => {
    const read = fromHttpRoute(gatewayApi.render(api, route, kept).at(-1) as HttpRoute);
    const mirrors = ruleFor(read, { headers: {} })!.mirrors!;
    assert.deepEqual(
      mirrors.map(({ service, weight }) => [service, weight]),
      [['api-new', 25]],
    );
    assert.deepEqual(ruleFor(read, { headers: { 'x-canary': 'true' } })!.mirrors, []);
  });
});

describe("a route of the user's own, as the sandbox's gateway reads what it leads to", () => {
  it('the subsets of a Service that it calls by its short name are those of the whole name', () => {
    const [, , rule, virtualService] = istio.render(pcfApi(), { weights: { 'api-new': 100 } }, kept);
    const own = structuredClone(virtualService) as VirtualService;
    own.spec.http![0]!.route[0]!.destination.host = 'api-revisions';
    const { destinations } = ruleFor(fromVirtualService(own, [rule as DestinationRule]), { headers: {} })!;
    assert.deepEqual(destinations[0]?.labels, { 'pcf.dev/revision': 'api-new' });
  });
});

describe('the preview of a blue-green delivery', () => {
  const previewed = (type: 'BlueGreen' | 'Canary', position: DeliveryPlan['position']) => {
    const base = pcfApi();
    const api = { ...base, spec: { ...base.spec, strategy: { type } } } as typeof base;
    const seen = observe(api, {
      get: () => undefined,
      userRoute: () => undefined,
      ownedBy: () => [],
      secret: () => undefined,
      available: () => true,
      foreignAutoscalers: () => [],
      claimants: () => [],
    });
    const traffic = { desiredWeight: 0, effectiveWeight: 0, verified: true };
    const objects = desiredObjects(seen, { position, replicas: {}, traffic, decisions: [] });
    const found = objects.find(({ metadata }) => metadata.name === `${api.metadata.name}-preview`);
    return (found?.spec as { selector: Record<string, string> } | undefined)?.selector['pcf.dev/revision'];
  };

  it('is a Service that leads to the revision on its way alone, before it has any traffic', () => {
    assert.equal(previewed('BlueGreen', { stable: 'api-old', update: 'api-new' }), 'api-new');
  });

  it('is gone once that is promoted, and there is none with another strategy', () => {
    assert.equal(previewed('BlueGreen', { stable: 'api-new' }), undefined);
    assert.equal(previewed('Canary', { stable: 'api-old', update: 'api-new' }), undefined);
  });
});
