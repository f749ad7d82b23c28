import assert from 'node:assert/strict';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { routeRejection } from '../../../operator/traffic/route-rejection.js';

/** An HTTPRoute of generation 3 with one condition in the report of one parent. */
function route(type: string, status: string, observedGeneration: number, kind?: string): KubeObject {
  const condition = {
    type,
    status,
    observedGeneration,
    reason: 'BackendNotFound',
    message: 'no such Service',
  };
  const parentRef = { name: 'public', ...(kind ? { kind } : {}) };
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'api', namespace: 'shop', generation: 3 },
    status: { parents: [{ parentRef, conditions: [condition] }] },
  } as KubeObject;
}

describe('routeRejection', () => {
  it('returns the reason and message of a Gateway that does not accept the current generation', () => {
    assert.equal(
      routeRejection(route('ResolvedRefs', 'False', 3)),
      'Gateway shop/public rejects HTTPRoute api: ResolvedRefs is False (BackendNotFound): no such Service',
    );
    assert.match(routeRejection(route('Accepted', 'False', 3, 'Gateway'))!, /Accepted is False/);
  });

  it('ignores a report on an older generation, other conditions, and a mesh that rejects the Service as a parent', () => {
    assert.equal(routeRejection(route('Accepted', 'False', 2)), undefined);
    assert.equal(routeRejection(route('Programmed', 'False', 3)), undefined);
    assert.equal(routeRejection(route('Accepted', 'False', 3, 'Service')), undefined);
  });

  it('returns the message about a route of which the Gateway has dropped a part, or uses an earlier version', () => {
    assert.equal(
      routeRejection(route('PartiallyInvalid', 'True', 3)),
      'Gateway shop/public applies HTTPRoute api in part: PartiallyInvalid is True (BackendNotFound): no such Service',
    );
    assert.equal(routeRejection(route('PartiallyInvalid', 'True', 2)), undefined, 'an older generation');
    assert.equal(routeRejection(route('PartiallyInvalid', 'False', 3)), undefined);
  });

  it('returns nothing if the route is accepted, or if no controller has reported', () => {
    const accepted = route('Accepted', 'True', 3);
    assert.equal(routeRejection(accepted), undefined);
    assert.equal(routeRejection({ ...accepted, status: undefined } as KubeObject), undefined);
  });
});
