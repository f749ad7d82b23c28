import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
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
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { propertyRuns } from '../../support/runner/property-runs.js';

const OLD = 'api-bbbbbbbbbb';
const NEW = 'api-cccccccccc';
const metadata = { name: 'mine', namespace: 'platform', uid: 'u', resourceVersion: '7' };

type Provider = 'Istio' | 'GatewayAPI';

function apiWith(
  provider: Provider,
  canary: object = { stickiness: { cookie: { maxAge: '1h', sameSite: 'Lax' } } },
): PcfApi {
  const traffic = { provider, routeRef: { name: 'mine' } };
  return pcfApi({ traffic, strategy: { type: 'Canary', canary } } as never);
}

const istio = apiWith('Istio');
const gateway = apiWith('GatewayAPI');

const virtualService = (...http: object[]): KubeObject => ({
  ...{ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata },
  spec: { http },
});
const httpRoute = (...rules: object[]): KubeObject => ({
  ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata },
  spec: { rules },
});

const toApi = { route: [{ destination: { host: 'api' } }] };
const backendRefs = [{ name: 'api', port: 80, weight: 1 }];
const matching = (...headers: object[]) => ({ matches: [{ headers }], backendRefs });

const limitsOf = (object: KubeObject, api = object.kind === 'HTTPRoute' ? gateway : istio) =>
  (object.kind === 'HTTPRoute' ? sharedHttpRoute : sharedVirtualService).limits(api, object);

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

describe('precedence of the rules of a route of the user', () => {
  interface Match {
    path?: { type: string; value: string };
    method?: string;
    headers?: { type?: string; name: string; value: string }[];
    queryParams?: { name: string; value: string }[];
  }
  interface Rule {
    matches?: Match[];
    backendRefs: { name: string; weight?: number }[];
  }
  interface Request {
    path: string;
    method: string;
    headers: Record<string, string>;
    query: Record<string, string>;
  }

  const oneOf = <T>(...values: T[]) => fc.constantFrom(...values);
  const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const values = oneOf('a', 'b');
  const path = oneOf('/', '/graphql');
  const match = fc.record(
    {
      path: fc.record({ type: oneOf('PathPrefix', 'Exact'), value: path }),
      method: oneOf('GET', 'POST'),
      headers: fc.uniqueArray(fc.record({ name: oneOf('x-team', 'x-beta'), value: values }), {
        selector: ({ name }) => name,
        maxLength: 2,
      }),
      queryParams: fc.uniqueArray(fc.record({ name: oneOf('p', 'q'), value: values }), {
        selector: ({ name }) => name,
        maxLength: 2,
      }),
    },
    { requiredKeys: [] },
  );
  const ruleOf = (name: string): fc.Arbitrary<Rule> =>
    fc.record({
      matches: fc.array(match, { minLength: 1, maxLength: 2 }),
      backendRefs: fc.constant([{ name, weight: 1 }]),
    });
  const routes = fc
    .tuple(ruleOf('api'), fc.array(fc.oneof(ruleOf('docs'), ruleOf('api')), { maxLength: 4 }), fc.nat(4))
    .map(([ours, others, at]) => [...others.slice(0, at), ours, ...others.slice(at)]);
  const requests: fc.Arbitrary<Request> = fc.record({
    path,
    method: oneOf('GET', 'POST'),
    headers: fc.record({ 'x-team': values, 'x-beta': values }, { requiredKeys: [] }),
    query: fc.record({ p: values, q: values }, { requiredKeys: [] }),
  });

  /** Specificity by the rules of the Gateway API, compared from left to right. */
  const rank = ({ path: at = { type: 'PathPrefix', value: '/' }, method, headers, queryParams }: Match) => [
    Number(at.type === 'Exact'),
    at.value.length,
    Number(method !== undefined),
    headers?.length ?? 0,
    queryParams?.length ?? 0,
  ];
  const applies = ({ path: at, method, headers = [], queryParams = [] }: Match, request: Request) =>
    (at === undefined ||
      request.path === at.value ||
      (at.type === 'PathPrefix' && `${request.path}/`.startsWith(at.value.replace(/\/?$/, '/')))) &&
    (method === undefined || method === request.method) &&
    headers.every(({ type, name, value }) => {
      const given = request.headers[name.toLowerCase()];
      return type === 'RegularExpression' ? new RegExp(value).test(given ?? '') : given === value;
    }) &&
    queryParams.every(({ name, value }) => request.query[name] === value);

  /** The rule that a Gateway applies. */
  function ruleFor(rules: readonly Rule[], request: Request): Rule | undefined {
    const candidates = rules.flatMap((rule) =>
      (rule.matches ?? [{}]).filter((one) => applies(one, request)).map((one) => ({ rule, rank: rank(one) })),
    );
    const compare = (a: number[], b: number[]) =>
      a.map((one, index) => one - b[index]!).find((it) => it !== 0) ?? 0;
    let best = candidates[0];
    for (const candidate of candidates) if (compare(candidate.rank, best!.rank) > 0) best = candidate;
    return best?.rule;
  }

  const backendOf = (rule: Rule | undefined) => rule?.backendRefs[0]?.name ?? '';

  const optionalCookie = optional(
    oneOf('pcf-api=api-cccccccccc.00', 'pcf-api=api-cccccccccc.42', 'theme=dark'),
  );

  it('HTTPRoute: with the rules of sticky users, each request reaches the rule that it reached without them, or the route has limits', () => {
    let accepted = 0;
    const property = fc.property(
      routes,
      fc.array(fc.tuple(requests, optionalCookie), { minLength: 20, maxLength: 20 }),
      (rules, sent) => {
        const object = httpRoute(...rules);
        const { sticky } = limitsOf(object);
        if (sticky) return;
        accepted++;
        const route: RouteView = { weights: { [OLD]: 63, [NEW]: 37 }, header: NEW, sticky: 'pcf-api' };
        const spliced = (sharedHttpRoute.follow(gateway, object, route)!.patch as { spec: { rules: Rule[] } })
          .spec.rules;
        for (const [request, cookie] of sent) {
          const before = backendOf(ruleFor(rules, request));
          const headers = { ...request.headers, ...(cookie ? { cookie } : {}) };
          const after = backendOf(ruleFor(spliced, { ...request, headers }));
          assert.equal(after.replace(/-.*/, ''), before, JSON.stringify({ request, cookie }));
        }
      },
    );
    fc.assert(property, { numRuns: propertyRuns(1_000) });
    assert.ok(accepted > 50, `${accepted} routes without limits`);
  });

  it('HTTPRoute: a rule with a query parameter, and an earlier one that is as specific, would lose requests', () => {
    const docs = { backendRefs: [{ name: 'docs' }] };
    const query = { matches: [{ queryParams: [{ name: 'q', value: 'a' }] }], ...docs };
    const team = (value: string, name = 'x-team') => ({ name, value });
    for (const [rules, limited] of [
      [[{ backendRefs }, query], true],
      [[{ matches: [{ headers: [team('a')] }], ...docs }, matching(team('b', 'x-beta'))], true],
      [[matching(team('b', 'x-beta')), { matches: [{ headers: [team('a')] }], ...docs }], false],
      [[{ matches: [{ headers: [team('a')] }], ...docs }, matching(team('b'))], false],
      [[{ matches: [{ headers: [team('a')] }], ...docs }, { backendRefs }], false],
      [[matching(), { matches: [{ headers: [team('a')] }], ...docs }], false],
      [
        [
          { matches: [{ headers: [team('a')] }], ...docs },
          { ...query, backendRefs },
        ],
        true,
      ],
      [[{ matches: [{ method: 'GET' }], ...docs }, { backendRefs }], false],
      [[{ matches: [{ path: { type: 'PathPrefix', value: '/docs/' } }], ...docs }, { backendRefs }], false],
    ] as const) {
      const { sticky = '' } = limitsOf(httpRoute(...rules));
      assert.equal(
        /a copy of rule \d with the cookie takes precedence over rule \d/.test(sticky),
        limited,
        JSON.stringify(rules),
      );
    }
  });

  it('VirtualService: added rules are before the rule that they copy, so the first rule that matches is the same', () => {
    const docs = { match: [{ uri: { prefix: '/docs' } }], route: [{ destination: { host: 'docs' } }] };
    const route: RouteView = { weights: { [OLD]: 90, [NEW]: 10 }, header: NEW, sticky: 'pcf-api' };
    const edit = sharedVirtualService.follow(istio, virtualService(docs, toApi, docs), route)!;
    const { http } = (edit.patch as { spec: { http: { name?: string }[] } }).spec;
    const names = http.map(({ name = '' }) => name.replace(/-api-.*/, ''));
    assert.deepEqual(names, ['', 'canary-header', ...Array(names.length - 4).fill('sticky'), '', '']);
  });
});
