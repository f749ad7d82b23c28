import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { RouteView } from '../../../operator/delivery/observation.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { gatewayApi } from '../../../operator/traffic/gateway-api.js';
import { istio } from '../../../operator/traffic/istio.js';
import { type TrafficRule, trafficRules } from '../../../operator/traffic/sticky-rules.js';
import {
  fromHttpRoute,
  fromVirtualService,
  ruleFor as gatewayRule,
} from '../../../sandbox/gateway/routes.js';
import type { DestinationRule, HttpRoute, VirtualService } from '../../../sandbox/gateway/types.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const OLD = 'api-bbbbbbbbbb';
const NEW = 'api-cccccccccc';

const canary = { stickiness: { cookie: { maxAge: '2h', sameSite: 'Lax' } } };
const api = pcfApi({ strategy: { type: 'Canary', canary } } as never);

const rulesAt = (weight: number): TrafficRule[] =>
  trafficRules(api, routeAt({ [OLD]: 100 - weight, [NEW]: weight }));

function routeAt(weights: Record<string, number>): RouteView {
  return { weights, header: NEW, sticky: 'pcf-api' };
}

/** The rule for the value of the header Cookie. */
function ruleFor(rules: readonly TrafficRule[], cookie = ''): TrafficRule {
  return rules.find(({ cookie: pattern }) => pattern === undefined || new RegExp(pattern).test(cookie))!;
}

/** The cookie that a browser sends after this response. */
const sent = (setCookie: string) => setCookie.split(';')[0]!;

const cells = ['', '0', '1', '2', '3', '4'].flatMap((top) =>
  ['', '0', '1', '2', '3', '4'].flatMap((middle) =>
    ['', '0', '1', '2', '3'].flatMap((leaf) =>
      top && (middle || !leaf) ? [`pcf-api=${NEW}.${top}${middle}${leaf}`] : [],
    ),
  ),
);

const weights = fc.integer({ min: 1, max: 99 });

describe('rules for sticky users', () => {
  it('a user without a cookie is assigned by the exact weight, and stays there while the weight does not change', () => {
    for (let weight = 1; weight < 100; weight++) {
      const rules = rulesAt(weight);
      const { backends } = rules.at(-1)!;
      const total = (of: typeof backends) => of.reduce((sum, one) => sum + one.weight, 0);
      assert.equal(total(backends), 100);
      assert.equal(total(backends.filter(({ revision }) => revision === NEW)), weight);
      for (const { revision, setCookie } of backends) {
        const next = ruleFor(rules, sent(setCookie!));
        assert.deepEqual(next.backends, [{ revision, weight: 100 }], `${setCookie} at ${weight} %`);
      }
    }
  });

  it('any history of weights gives the canary exactly its share of the users, and moves users in one direction only', () => {
    // Shares of the users by cookie. A part of them returns after each change of the weight.
    const steps = fc.array(
      fc.record({ weight: weights, returning: fc.double({ min: 0, max: 1, noNaN: true }) }),
      {
        minLength: 1,
        maxLength: 12,
      },
    );
    const property = fc.property(steps, (history) => {
      let users = new Map([['', 1]]);
      let before = 0;
      for (const { weight, returning } of history) {
        const rules = rulesAt(weight);
        const next = new Map<string, number>();
        const add = (cookie: string, share: number) => next.set(cookie, (next.get(cookie) ?? 0) + share);
        let exposed = 0;
        for (const [cookie, share] of users) {
          const { backends } = ruleFor(rules, cookie);
          const total = backends.reduce((sum, one) => sum + one.weight, 0);
          const toCanary = backends.filter(({ revision }) => revision === NEW);
          const part = toCanary.reduce((sum, one) => sum + one.weight, 0) / total;
          exposed += share * part;
          const was = cookie && ruleFor(rulesAt(before || weight), cookie).backends;
          if (was && was.length === 1 && before <= weight && was[0]!.revision === NEW) assert.equal(part, 1);
          if (was && was.length === 1 && before >= weight && was[0]!.revision === OLD) assert.equal(part, 0);
          add(cookie, share * (1 - returning));
          for (const one of backends) {
            add(one.setCookie ? sent(one.setCookie) : cookie, (share * returning * one.weight) / total);
          }
        }
        assert.ok(Math.abs(exposed - weight / 100) < 1e-9, `${exposed} at ${weight} %`);
        users = next;
        before = weight;
      }
    });
    fc.assert(property);
  });

  it('every cookie selects a revision of the route, and one of another delivery the weighted rule', () => {
    const unknown = fc.oneof(
      fc.string(),
      fc.constantFrom(
        `pcf-api=${OLD}.00`,
        'pcf-api=api-dddddddddd.00',
        `pcf-api=${NEW}`,
        `pcf-api=${NEW}.`,
        `pcf-api=${NEW}.9`,
        `pcf-api=${NEW}.0000`,
        `xpcf-api=${NEW}.00`,
        `a=pcf-api=${NEW}.00`,
      ),
    );
    const property = fc.property(weights, unknown, (weight, cookie) => {
      const rules = rulesAt(weight);
      assert.equal(ruleFor(rules, cookie), rules.at(-1));
      for (const cell of cells) {
        const { backends } = ruleFor(rules, `a=b; ${cell}; c=d`);
        assert.ok(backends.every(({ revision }) => revision === NEW || revision === OLD));
        assert.notEqual(ruleFor(rules, cell), rules.at(-1), `${cell} is known at ${weight} %`);
      }
    });
    fc.assert(property);
  });

  it('an HTTPRoute has at most 16 backends per rule, and the rules of two user rules fit into one', () => {
    for (let weight = 1; weight < 100; weight++) {
      const rules = rulesAt(weight);
      assert.ok(rules.length <= 5, `${rules.length} rules, and one for the header`);
      assert.ok(rules.every(({ backends }) => backends.length <= 16));
      assert.ok(rules.every(({ cookie = '' }) => cookie.length <= 256));
    }
  });

  it('only responses that assign a user set the cookie, with its attributes', () => {
    const [keepNew, keepOld, ...assigning] = rulesAt(37);
    for (const { backends } of [keepNew!, keepOld!]) assert.equal(backends[0]!.setCookie, undefined);
    const all = assigning.flatMap(({ backends }) => backends);
    assert.match(
      all[0]!.setCookie!,
      /^pcf-api=api-cccccccccc\.\d{1,3}; Max-Age=7200; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
    );
    assert.ok(all.every(({ setCookie }) => setCookie));
  });

  it('there is no cookie without stickiness, before a canary is ready, and once one revision has all traffic', () => {
    const plain = (route: RouteView, of = api) =>
      trafficRules(of, route).every(
        ({ cookie, backends }) => !cookie && backends.every((one) => !one.setCookie),
      );
    assert.ok(plain(routeAt({ [OLD]: 90, [NEW]: 10 }), pcfApi()));
    assert.ok(plain({ weights: { [OLD]: 100 } }));
    assert.ok(plain(routeAt({ [NEW]: 100 })));
    assert.ok(!plain(routeAt({ [OLD]: 90, [NEW]: 10 })));
  });
});

describe('routes for sticky users, as the sandbox gateway reads them', () => {
  const REVISION = 'pcf.dev/revision';
  const providers = [
    [
      'Istio',
      istio,
      (objects: KubeObject[]) =>
        fromVirtualService(objects.at(-1) as VirtualService, [objects.at(-2) as DestinationRule]),
    ],
    ['Gateway API', gatewayApi, (objects: KubeObject[]) => fromHttpRoute(objects.at(-1) as HttpRoute)],
  ] as const;

  for (const [name, router, compile] of providers) {
    const provider = name === 'Istio' ? 'Istio' : 'GatewayAPI';
    const of = { ...api, spec: { ...api.spec, traffic: { ...api.spec.traffic!, provider } } } as typeof api;

    it(`${name}: the route is read back, and routes each cookie as its rules do, after the canary header`, () => {
      for (const weight of [1, 10, 20, 37, 50, 99]) {
        const planned = { ...routeAt({ [OLD]: 100 - weight, [NEW]: weight }), service: OLD, mirror: 5 };
        const objects = router.render(of, planned, [NEW, OLD]);
        const find = (kind: string, named: string) =>
          objects.find((one) => one.kind === kind && one.metadata.name === named);
        assert.deepEqual(
          router.read(of, (type, named) => find(type.kind, named)),
          planned,
        );
        const route = compile(objects);
        const served = (headers: Record<string, string>) =>
          gatewayRule(route, { headers })!.destinations.map((to) => [
            to.labels[REVISION] ?? to.service,
            to.weight,
            to.responseHeaders?.map(([header, value]) => `${header}: ${value}`).join(),
          ]);
        for (const cookie of ['', 'theme=dark', ...cells]) {
          const expected = ruleFor(rulesAt(weight), cookie).backends;
          assert.deepEqual(
            served({ cookie }),
            expected.map(({ revision, weight: share, setCookie }) => [
              revision,
              share,
              setCookie ? `Set-Cookie: ${setCookie}` : '',
            ]),
          );
          assert.equal(served({ cookie, 'x-canary': 'true' })[0]![0], NEW);
        }
      }
    });
  }
});
