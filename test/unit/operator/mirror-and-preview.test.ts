import assert from 'node:assert/strict';
import type { DeliveryPlan } from '../../../operator/delivery/delivery-plan.js';
import { desiredObjects } from '../../../operator/reconciler/desired.js';
import { observe } from '../../../operator/reconciler/observe.js';
import { EMPTY_CLUSTER } from '../../../operator/reconciler/render.js';
import { gatewayApi } from '../../../operator/traffic/gateway-api.js';
import { istio } from '../../../operator/traffic/istio.js';
import { fromHttpRoute, fromVirtualService, ruleFor } from '../../../sandbox/gateway/routes.js';
import type { DestinationRule, HttpRoute, VirtualService } from '../../../sandbox/gateway/types.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const retained = ['api-new', 'api-old'];
const route = { weights: { 'api-old': 90, 'api-new': 10 }, header: 'api-new', mirror: 25 };

describe('mirrored requests, as the sandbox gateway reads the routes of the operator', () => {
  const api = pcfApi();

  it('Istio: 25 % of the requests without the header are mirrored to the pods of the canary', () => {
    const [, , rule, virtualService] = istio.render(api, route, retained);
    const read = fromVirtualService(virtualService as VirtualService, [rule as DestinationRule]);
    const [mirror] = ruleFor(read, { headers: {} })!.mirrors!;
    assert.equal(mirror?.weight, 25);
    assert.deepEqual(Object.values(mirror.labels), ['api-new']);
    assert.deepEqual(ruleFor(read, { headers: { 'x-canary': 'true' } })!.mirrors, []);
  });

  it('Gateway API: 25 % of the requests without the header are mirrored to the Service of the canary', () => {
    const read = fromHttpRoute(gatewayApi.render(api, route, retained).at(-1) as HttpRoute);
    const mirrors = ruleFor(read, { headers: {} })!.mirrors!;
    assert.deepEqual(
      mirrors.map(({ service, weight }) => [service, weight]),
      [['api-new', 25]],
    );
    assert.deepEqual(ruleFor(read, { headers: { 'x-canary': 'true' } })!.mirrors, []);
  });
});

describe("user's own route, as the sandbox gateway reads it", () => {
  it('the short name of a Service has the same subsets as its full name', () => {
    const [, , rule, virtualService] = istio.render(pcfApi(), { weights: { 'api-new': 100 } }, retained);
    const own = structuredClone(virtualService) as VirtualService;
    own.spec.http![0]!.route[0]!.destination.host = 'api-revisions';
    const { destinations } = ruleFor(fromVirtualService(own, [rule as DestinationRule]), { headers: {} })!;
    assert.deepEqual(destinations[0]?.labels, { 'pcf.dev/revision': 'api-new' });
  });
});

describe('preview Service of a blue-green delivery', () => {
  const previewedRevision = (type: 'BlueGreen' | 'Canary', position: DeliveryPlan['position']) => {
    const base = pcfApi();
    const api = { ...base, spec: { ...base.spec, strategy: { type } } } as typeof base;
    const observed = observe(api, EMPTY_CLUSTER);
    const traffic = { desiredWeight: 0, effectiveWeight: 0, verified: true };
    const objects = desiredObjects(observed, { position, replicas: {}, traffic, decisions: [] });
    const found = objects.find(({ metadata }) => metadata.name === `${api.metadata.name}-preview`);
    return (found?.spec as { selector: Record<string, string> } | undefined)?.selector['pcf.dev/revision'];
  };

  it('selects only the new revision, before it has traffic', () => {
    assert.equal(previewedRevision('BlueGreen', { stable: 'api-old', update: 'api-new' }), 'api-new');
  });

  it('does not exist after the promotion, nor with another strategy', () => {
    assert.equal(previewedRevision('BlueGreen', { stable: 'api-new' }), undefined);
    assert.equal(previewedRevision('Canary', { stable: 'api-old', update: 'api-new' }), undefined);
  });
});
