import assert from 'node:assert/strict';
import type { RouteView } from '../../../operator/delivery/observation.js';
import { plan } from '../../../operator/delivery/plan.js';
import { findIssues } from '../../../operator/reconciler/issues.js';
import { observe } from '../../../operator/reconciler/observe.js';
import { EMPTY_CLUSTER } from '../../../operator/reconciler/render.js';
import { deliverySpecOf } from '../../../operator/reconciler/strategies.js';
import { summarize } from '../../../operator/reconciler/summary.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { sharedHttpRoute } from '../../../operator/traffic/gateway-api-shared.js';
import { sharedVirtualService } from '../../../operator/traffic/istio-shared.js';
import {
  apiWith,
  backendRefs,
  gateway,
  httpRoute,
  istio,
  limitsOf,
  matching,
  NEW,
  OLD,
  toApi,
  virtualService,
} from './user-routes.js';

describe('limits of a route of the user', () => {
  it('a rule that matches the header Cookie gets no cookie rules, in any case of the name', () => {
    for (const object of [
      virtualService({ match: [{ headers: { cookie: { regex: 'beta' } } }], ...toApi }),
      httpRoute(matching({ name: 'cookie', value: 'beta' })),
      httpRoute({ backendRefs: [{ name: 'docs' }] }, matching({ name: 'Cookie', value: 'beta' })),
    ]) {
      const { header, sticky } = limitsOf(object);
      assert.equal(header, undefined);
      assert.match(
        sticky!,
        /^traffic\.routeRef: \w+ platform\/mine cannot have the rules of strategy\.canary\.stickiness: rule [12] matches the header Cookie itself; remove/,
      );
    }
    const other = virtualService(
      { match: [{ headers: { cookie: { regex: 'a' } } }], route: [{ destination: { host: 'docs' } }] },
      toApi,
    );
    assert.deepEqual(limitsOf(other), {}, 'a rule of another backend');
    assert.deepEqual(
      limitsOf(httpRoute(matching({ name: 'cookie', value: 'a' })), apiWith('GatewayAPI', {})),
      {},
    );
  });

  it('a rule that changes Set-Cookie of responses gets no cookie rules, and loses nothing', () => {
    const modifier = (change: object) => [{ type: 'ResponseHeaderModifier', responseHeaderModifier: change }];
    const cookie = { name: 'set-cookie', value: 'a=b' };
    for (const object of [
      virtualService({
        route: [{ destination: { host: 'api' }, headers: { response: { add: { 'Set-Cookie': 'a=b' } } } }],
      }),
      virtualService({ name: 'graph', ...toApi, headers: { response: { remove: ['set-cookie'] } } }),
      httpRoute({ backendRefs: [{ name: 'api', filters: modifier({ add: [cookie] }) }] }),
      httpRoute({ backendRefs, filters: modifier({ set: [cookie] }) }),
    ])
      assert.match(
        limitsOf(object).sticky!,
        /: rule (1|graph) changes the header Set-Cookie of responses itself; remove/,
      );
    assert.deepEqual(limitsOf(httpRoute({ backendRefs, filters: modifier({ add: [cookie] }) })), {});
  });

  it('the cookie of the operator in a route is not a change by the user', () => {
    for (const [api, shared, object] of [
      [istio, sharedVirtualService, virtualService(toApi)],
      [gateway, sharedHttpRoute, httpRoute({ backendRefs })],
    ] as const) {
      const route: RouteView = { weights: { [OLD]: 63, [NEW]: 37 }, header: NEW, sticky: 'pcf-api' };
      const { spec } = shared.follow(api, object, route)!.patch as KubeObject;
      assert.match(JSON.stringify(spec), /pcf-api=api-cccccccccc/);
      assert.deepEqual(shared.limits(api, { ...object, spec }), {});
    }
  });

  it('a rule that matches the canary header gets no rule for it: the copy would match all its requests', () => {
    for (const object of [
      virtualService({ name: 'graph', match: [{ headers: { 'x-canary': { exact: 'no' } } }], ...toApi }),
      httpRoute(matching({ name: 'X-Canary', value: 'no' })),
    ])
      assert.match(
        limitsOf(object).header!,
        /the canary header: rule (1|graph) matches the header x-canary itself; .*choose another strategy\.canary\.header$/,
      );
    const same = virtualService({ match: [{ headers: { 'x-canary': { exact: 'true' } } }], ...toApi }, toApi);
    assert.deepEqual(limitsOf(same), {}, 'a copy with the same value matches the same requests');
    const renamed = apiWith('GatewayAPI', { header: { name: 'x-next', value: 'true' } });
    assert.deepEqual(limitsOf(httpRoute(matching({ name: 'x-canary', value: 'no' })), renamed), {});
  });

  it('an HTTPRoute has room for the rules of the canary header and of sticky users, or the message has the numbers', () => {
    const rules = (count: number) => httpRoute(...Array.from({ length: count }, () => ({ backendRefs })));
    assert.deepEqual(limitsOf(rules(2)), {});
    assert.match(
      limitsOf(rules(3)).sticky!,
      /stickiness: it would have 18 rules, and an HTTPRoute has at most 16; combine rules .*or remove strategy\.canary\.stickiness$/,
    );
    assert.deepEqual(limitsOf(rules(8), apiWith('GatewayAPI', {})), {});
    assert.match(limitsOf(rules(9)).header!, /it would have 18 rules/);
    const matches = Array.from({ length: 22 }, (_, index) => ({
      path: { type: 'Exact', value: `/${index}` },
    }));
    assert.match(limitsOf(httpRoute({ matches, backendRefs })).sticky!, /132 matches, .* at most 128/);
    const headers = Array.from({ length: 16 }, (_, index) => ({ name: `x-${index}`, value: 'a' }));
    assert.match(limitsOf(httpRoute(matching(...headers))).header!, /17 headers in a match/);
    const many = Array.from({ length: 20 }, () => toApi);
    assert.deepEqual(limitsOf(virtualService(...many)), {}, 'a VirtualService has no such limit');
  });

  it('a delivery is held before its first pod, with the reason; one that has started continues without cookie rules', () => {
    const userRoute = httpRoute(matching({ name: 'cookie', value: 'beta' }));
    const api = { ...gateway, spec: { ...gateway.spec, canaryWeight: 50, replicas: 2 } };
    const { target } = observe(api, EMPTY_CLUSTER).delivery;
    /** The state with this position, and as many ready pods of the target. */
    const stateAt = (delivery: object, pods: number) => {
      api.status = { delivery };
      const deployment = { spec: { replicas: pods } } as unknown as KubeObject;
      const get: typeof EMPTY_CLUSTER.get = ({ kind }, _api, name) =>
        kind === 'Deployment' && name === target ? deployment : undefined;
      const found = observe(api, { ...EMPTY_CLUSTER, get, userRoute: () => userRoute });
      const view = { ...found.delivery.revisions[0]!, migration: 'Succeeded' as const, nextStage: undefined };
      const revisions = [
        { ...view, name: OLD, replicas: 2, ready: 2 },
        { ...view, name: target, replicas: pods, ready: pods },
      ];
      const observed = {
        ...found,
        missingSecrets: [],
        delivery: { ...found.delivery, startable: true, revisions },
      };
      const spec = deliverySpecOf(api, found.router, found);
      const planned = plan({ ...observed.delivery, routeAgeMs: 0 }, spec, 0);
      const issues = findIssues(observed, [], planned).map(({ reason }) => reason);
      return { ...summarize(observed, planned, 0), planned, issues };
    };
    const held = stateAt({ stable: OLD, update: target }, 0);
    assert.equal(held.reason, 'RouteIncompatible');
    assert.match(
      held.message,
      new RegExp(`matches the header Cookie itself.*no pod of ${target} is started since`),
    );
    assert.deepEqual(held.planned.replicas, { [OLD]: 2 });

    const started = stateAt({ stable: OLD, update: target }, 1);
    assert.notEqual(started.reason, 'RouteIncompatible');
    assert.equal(started.planned.route?.header, target);
    assert.deepEqual(
      [started.planned.route?.weights, started.planned.route?.sticky],
      [{ [OLD]: 50, [target]: 50 }, undefined],
    );
    assert.deepEqual(
      stateAt({ stable: target }, 2).issues,
      ['RouteIncompatible'],
      'reported between deliveries',
    );
  });

  it('without a rule for the canary header the weights still apply', () => {
    const userRoute = httpRoute(matching({ name: 'x-canary', value: 'no' }));
    const { header } = limitsOf(userRoute);
    const spec = deliverySpecOf(gateway, observe(gateway, EMPTY_CLUSTER).router, {
      routeLimits: { header: header! },
    });
    const view = { replicas: 2, ready: 2, migration: 'Succeeded' as const };
    const position = { stable: OLD, update: NEW, strategy: 'Canary' as const };
    const revisions = [
      { ...view, name: OLD },
      { ...view, name: NEW },
    ];
    const observation = { target: NEW, position, revisions, startable: true, routeAgeMs: 0 };
    const { route } = plan(observation, { ...spec, replicas: 2, canaryWeight: 50 }, 0);
    assert.deepEqual(route?.weights, { [OLD]: 50, [NEW]: 50 });
    assert.deepEqual([route?.header, route?.sticky, route?.mirror], [undefined, undefined, undefined]);
    const edit = sharedHttpRoute.follow(gateway, userRoute, route!)!;
    assert.equal(
      sharedHttpRoute.read(gateway, () => ({ ...userRoute, ...(edit.patch as object) }) as never)?.header,
      undefined,
    );
  });
});
