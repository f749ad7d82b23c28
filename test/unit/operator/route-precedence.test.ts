import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { RouteView } from '../../../operator/delivery/observation.js';
import { sharedHttpRoute } from '../../../operator/traffic/gateway-api-shared.js';
import { sharedVirtualService } from '../../../operator/traffic/istio-shared.js';
import { propertyRuns } from '../../support/runner/property-runs.js';
import {
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
