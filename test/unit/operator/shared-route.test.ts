import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { RouteView } from '../../../operator/delivery/observation.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { sharedHttpRoute } from '../../../operator/traffic/gateway-api-shared.js';
import { sharedVirtualService } from '../../../operator/traffic/istio-shared.js';
import type { RouteEdit, SharedRoute } from '../../../operator/traffic/shared.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const OLD = 'api-bbbbbbbbbb';
const NEW = 'api-cccccccccc';

const base = pcfApi();
const api = {
  ...base,
  spec: {
    ...base.spec,
    traffic: { provider: 'Istio', routeRef: { name: 'mine' } },
    strategy: { type: 'Canary', canary: { stickiness: { cookie: { maxAge: '1h', sameSite: 'Lax' } } } },
  },
} as typeof base;
const host = `api.${base.metadata.namespace}.svc.cluster.local`;
const metadata = { name: 'mine', namespace: base.metadata.namespace, uid: 'u', resourceVersion: '7' };

const virtualService: KubeObject = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata,
  spec: {
    hosts: ['shop.example.com'],
    http: [
      { match: [{ uri: { prefix: '/docs' } }], route: [{ destination: { host: 'docs' } }] },
      {
        name: 'graph',
        match: [{ uri: { prefix: '/graphql' } }, { headers: { 'x-team': { exact: 'a' } } }],
        timeout: '5s',
        route: [
          {
            destination: { host, port: { number: 80 } },
            headers: { response: { add: { 'x-served-by': 'api' }, remove: ['server'] } },
          },
        ],
      },
      { route: [{ destination: { host: 'api' } }] },
    ],
  },
};

const httpRoute: KubeObject = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata,
  spec: {
    hostnames: ['shop.example.com'],
    rules: [
      {
        matches: [{ path: { type: 'PathPrefix', value: '/docs' } }],
        backendRefs: [{ name: 'docs', weight: 1 }],
      },
      {
        matches: [{ path: { type: 'PathPrefix', value: '/' } }],
        backendRefs: [
          {
            ...{ group: '', kind: 'Service', name: 'api', port: 80, weight: 1 },
            filters: [
              { type: 'RequestHeaderModifier', requestHeaderModifier: { remove: ['x-debug'] } },
              {
                type: 'ResponseHeaderModifier',
                responseHeaderModifier: { set: [{ name: 'a', value: 'b' }] },
              },
            ],
          },
        ],
        timeouts: { request: '5s' },
      },
    ],
  },
};

/** The object after the API server has applied a patch. */
function patched(object: KubeObject, edit: RouteEdit | undefined): KubeObject {
  if (!edit) return object;
  const { metadata, spec } = edit.patch as {
    metadata: { annotations: Record<string, string | null> };
    spec: object;
  };
  const annotations = Object.entries({ ...object.metadata.annotations, ...metadata.annotations });
  return {
    ...object,
    metadata: {
      ...object.metadata,
      annotations: Object.fromEntries(annotations.filter((it): it is [string, string] => it[1] !== null)),
    },
    spec: { ...(object.spec as object), ...spec },
  };
}

const routes = fc
  .record({
    weight: fc.integer({ min: 0, max: 100 }),
    header: fc.boolean(),
    mirror: fc.integer({ min: 0, max: 100 }),
    sticky: fc.boolean(),
  })
  .map(({ weight, header, mirror, sticky }): RouteView => {
    const shares = Object.entries({ [OLD]: 100 - weight, [NEW]: weight }).filter(([, share]) => share > 0);
    return {
      weights: Object.fromEntries(shares),
      ...(header ? { header: NEW, ...(mirror ? { mirror } : {}) } : {}),
      ...(header && sticky && shares.length > 1 ? { sticky: 'pcf-api' } : {}),
    };
  });

interface Rule {
  name?: string;
  match?: object[];
  matches?: object[];
  timeout?: string;
  route?: object[];
  backendRefs?: object[];
}

const cases: [string, SharedRoute, KubeObject, string][] = [
  ['VirtualService', sharedVirtualService, virtualService, 'http'],
  ['HTTPRoute', sharedHttpRoute, httpRoute, 'rules'],
];

describe("user's own route", () => {
  const rulesOf = (object: KubeObject, list: string) => (object.spec as Record<string, Rule[]>)[list]!;

  for (const [kind, shared, theirs, list] of cases) {
    const read = (object: KubeObject) => shared.read(api, () => object);

    it(`${kind}: any sequence of routes is written once per route, read back, and reverted on release`, () => {
      const property = fc.property(fc.array(routes, { minLength: 1, maxLength: 5 }), (sequence) => {
        let live = theirs;
        for (const route of sequence) {
          live = patched(live, shared.follow(api, live, route));
          assert.deepEqual(read(live), route);
          assert.equal(shared.follow(api, live, route), undefined);
        }
        const back = patched(live, shared.release(api, live));
        assert.deepEqual(back.spec, theirs.spec, 'the original spec is restored');
        assert.equal(shared.release(api, back), undefined);
      });
      fc.assert(property);
    });

    it(`${kind}: rules for other backends, and fields except the destinations, are not changed`, () => {
      const live = patched(
        theirs,
        shared.follow(api, theirs, { weights: { [OLD]: 90, [NEW]: 10 }, header: NEW }),
      );
      const [docs, ...others] = rulesOf(live, list);
      // In an HTTPRoute the added rules are the last ones.
      const [header, graph] = kind === 'HTTPRoute' ? others.toReversed() : others;
      const [docsBefore, graphBefore] = rulesOf(theirs, list);
      assert.deepEqual(docs, docsBefore);
      const { route: _a, backendRefs: _b, ...rest } = graph!;
      const { route: _c, backendRefs: _d, ...restBefore } = graphBefore!;
      assert.deepEqual(rest, restBefore);
      assert.match(JSON.stringify(header), /x-canary.*5s|5s.*x-canary/, 'the header rule keeps the timeout');
    });

    it(`${kind}: an edit by another client is drift, and a change of the desired route is not`, () => {
      const route = { weights: { [OLD]: 100 } };
      const live = patched(theirs, shared.follow(api, theirs, route));
      const reset = { ...live, spec: theirs.spec };
      assert.equal(shared.follow(api, reset, route)?.drifted, true);
      assert.equal(shared.follow(api, live, { weights: { [NEW]: 100 } })?.drifted, false);
      assert.equal(shared.follow(api, theirs, route)?.drifted, false);
    });

    it(`${kind}: a patch contains resourceVersion, so that it fails after a concurrent change`, () => {
      const edit = shared.follow(api, theirs, { weights: { [OLD]: 100 } })!;
      assert.equal((edit.patch as { metadata: { resourceVersion: string } }).metadata.resourceVersion, '7');
    });

    it(`${kind}: a change of the canary header removes the rule of the old header`, () => {
      const route: RouteView = { weights: { [OLD]: 100 }, header: NEW };
      const live = patched(theirs, shared.follow(api, theirs, route));
      const header = { name: 'x-next', value: 'yes' };
      const edited = {
        ...api,
        spec: { ...api.spec, strategy: { type: 'Canary', canary: { header } } },
      } as typeof api;
      const after = patched(live, shared.follow(edited, live, route));
      assert.doesNotMatch(JSON.stringify(after.spec), /x-canary/);
      assert.equal(rulesOf(after, list).length, rulesOf(live, list).length);
    });
  }

  for (const [what, others] of [
    ['with other rules', (httpRoute.spec as { rules: object[] }).rules],
    ['as the only rule', []],
  ] as const)
    it(`HTTPRoute: a rule of the user with the canary header itself, ${what}, is not removed before, in or after a delivery`, () => {
      const matches = [{ headers: [{ type: 'Exact', name: 'x-canary', value: 'true' }] }];
      const rules = [{ matches, backendRefs: [{ name: 'api', port: 80, weight: 1 }] }, ...others];
      const theirs: KubeObject = { ...httpRoute, spec: { ...(httpRoute.spec as object), rules } };
      const { header } = sharedHttpRoute.limits(api, theirs);
      assert.match(header!, /: rule 1 matches the header x-canary itself/);
      let live = theirs;
      const steps: RouteView['weights'][] = [{ [OLD]: 100 }, { [OLD]: 90, [NEW]: 10 }, { [NEW]: 100 }];
      for (const weights of steps) {
        live = patched(live, sharedHttpRoute.follow(api, live, { weights }));
        const route = sharedHttpRoute.read(api, () => live);
        assert.deepEqual(route, { weights });
        assert.equal(sharedHttpRoute.follow(api, live, { weights }), undefined);
        assert.equal(rulesOf(live, 'rules').length, rules.length);
        assert.deepEqual(sharedHttpRoute.limits(api, live), { header });
      }
      assert.deepEqual(patched(live, sharedHttpRoute.release(api, live)).spec, theirs.spec);
    });

  it('HTTPRoute: a rule of the user with the new canary header is not removed when the header changes during a delivery', () => {
    const matches = [{ headers: [{ type: 'Exact', name: 'x-next', value: 'yes' }] }];
    const { rules } = httpRoute.spec as { rules: object[] };
    const spec = { rules: [{ matches, backendRefs: [{ name: 'api', port: 80, weight: 1 }] }, ...rules] };
    const route: RouteView = { weights: { [OLD]: 100 }, header: NEW };
    const theirs: KubeObject = { ...httpRoute, spec };
    const live = patched(theirs, sharedHttpRoute.follow(api, theirs, route));
    const canary = { header: { name: 'x-next', value: 'yes' } };
    const edited = { ...api, spec: { ...api.spec, strategy: { type: 'Canary', canary } } } as typeof api;
    assert.match(sharedHttpRoute.limits(edited, live).header!, /rule 1 matches the header x-next itself/);
    const after = patched(live, sharedHttpRoute.follow(edited, live, { weights: { [OLD]: 100 } }));
    assert.equal(rulesOf(after, 'rules').length, 3);
    assert.deepEqual(patched(after, sharedHttpRoute.release(edited, after)).spec, spec);
  });

  it('a rule that also routes to another host is not managed', () => {
    const route = [
      { destination: { host }, weight: 50 },
      { destination: { host: 'other' }, weight: 50 },
    ];
    const mixed = { ...virtualService, spec: { http: [{ route }] } };
    assert.equal(sharedVirtualService.leadsHere(api, mixed), false);
    assert.equal(sharedVirtualService.leadsHere(api, virtualService), true);
  });

  it('the weight of a revision is the maximum over all rules, if rules differ', () => {
    const live = patched(
      virtualService,
      sharedVirtualService.follow(api, virtualService, { weights: { [OLD]: 100 } }),
    );
    const http = structuredClone(rulesOf(live, 'http'));
    http[2]!.route = [{ destination: { host: 'api', subset: NEW } }];
    const read = sharedVirtualService.read(api, () => ({ ...live, spec: { http } }));
    assert.deepEqual(read, { weights: { [OLD]: 100, [NEW]: 100 } });
  });
});
