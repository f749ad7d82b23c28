import assert from 'node:assert/strict';
import { DeploymentKind, HttpRouteKind, VirtualServiceKind } from '../../../operator/resources/kinds.js';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-client.js';
import { sharesOf } from '../../../operator/traffic/sticky-rules.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually, image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';

const NAME = 'shop';

interface Kind {
  provider: string;
  type: ResourceType;
  apiVersion: string;
  spec: (namespace: string) => Record<string, unknown>;
  /** Weight per revision in the rule that routes to the API. */
  weights: (object: KubeObject) => Record<string, number>;
}

interface Http {
  name?: string;
  route: { destination: { host: string; subset?: string }; weight?: number }[];
}

interface HttpRule {
  matches: { headers?: object[] }[];
  backendRefs: { name: string; weight: number }[];
}

const kinds: Kind[] = [
  {
    provider: 'Istio',
    type: VirtualServiceKind,
    apiVersion: 'networking.istio.io/v1',
    spec: (namespace) => ({
      hosts: [`${namespace}.example.com`],
      gateways: ['istio-system/public'],
      http: [
        { match: [{ uri: { prefix: '/docs' } }], route: [{ destination: { host: 'docs' } }] },
        { name: 'graph', timeout: '30s', route: [{ destination: { host: 'api', port: { number: 80 } } }] },
      ],
    }),
    weights: ({ spec }) => {
      const graph = (spec as { http: Http[] }).http.find(({ name }) => name === 'graph')!;
      return sharesOf(graph.route.map((it) => [it.destination.subset!, it.weight ?? 100]));
    },
  },
  {
    provider: 'GatewayAPI',
    type: HttpRouteKind,
    apiVersion: 'gateway.networking.k8s.io/v1',
    spec: (namespace) => ({
      hostnames: [`${namespace}.example.com`],
      parentRefs: [{ name: 'public', namespace: 'gateways' }],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: '/docs' } }],
          backendRefs: [{ name: 'docs', port: 80 }],
        },
        { backendRefs: [{ name: 'api', port: 80 }] },
      ],
    }),
    weights: ({ spec }) => {
      const { rules } = spec as { rules: HttpRule[] };
      const rule = rules.findLast(({ matches }) => matches.every(({ headers }) => headers === undefined))!;
      return sharesOf(rule.backendRefs.map(({ name, weight }) => [name, weight]));
    },
  },
];

for (const { provider, type, apiVersion, spec, weights } of kinds) {
  describe(`traffic.routeRef to a ${type.kind}`, () => {
    let sandbox: Sandbox;
    let api: TestApi;
    let original: KubeObject;

    before(async function () {
      this.timeout(START_TIMEOUT_MS);
      sandbox = await sharedSandbox();
      api = await TestApi.create(sandbox, await newTenant(sandbox, `ref-${provider.toLowerCase()}`), {
        traffic: { provider, routeRef: { name: NAME } },
      });
    });

    const live = () => sandbox.parts.client.get(type, api.namespace, NAME);
    const awaitWeights = (what: string, expected: () => Record<string, number>) =>
      eventually(what, async () => JSON.stringify(weights(await live())) === JSON.stringify(expected()));

    it('reports a missing route, and sets its weights once it exists', async () => {
      await api.reason('RouteMissing');
      assert.match(api.message(), new RegExp(`${type.kind} ${api.namespace}/${NAME} does not exist`));
      const object = { apiVersion, kind: type.kind, metadata: { name: NAME, namespace: api.namespace } };
      original = await sandbox.parts.client.create(type, { ...object, spec: spec(api.namespace) });
      await api.ready();
      await awaitWeights('the stable revision has all traffic', () => ({
        [api.status.stableRevision!]: 100,
      }));
      assert.equal(await api.get(type), undefined, 'the operator creates no route of its own');
    });

    it('sets the canary weight, and does not change other fields of the route', async () => {
      const old = api.status.stableRevision!;
      await api.patch({ image: image('1.1.0'), canaryWeight: 30 });
      await api.watch.until(
        '30 %',
        (it) => it?.status?.traffic?.effectiveWeight === 30 && it.status.traffic.verified,
      );
      const fresh = api.status.updateRevision!;
      const now = await live();
      assert.deepEqual(weights(now), { [old]: 70, [fresh]: 30 });
      assert.match(JSON.stringify(now.spec), /x-canary/);
      assert.equal(now.metadata.ownerReferences, undefined);
      const { http: _a, rules: _b, ...rest } = now.spec as Record<string, unknown>;
      const { http: _c, rules: _d, ...restBefore } = original.spec as Record<string, unknown>;
      assert.deepEqual(rest, restBefore);
    });

    it('reverts a change of the weights by another field manager, with an Event that names it', async () => {
      const desired = weights(await live());
      await sandbox.parts.client.patch(
        type,
        api.namespace,
        NAME,
        { spec: original.spec },
        { fieldManager: 'gitops' },
      );
      await awaitWeights('the weights are restored', () => desired);
      const eventPattern = new RegExp(
        `${type.kind} ${NAME}: spec\\.(http|rules) was changed by gitops and reverted`,
      );
      const notes = ['get', 'events', '-n', api.namespace, '-o', 'jsonpath={.items[*].message}'];
      await eventually('an Event names the field manager', async () =>
        eventPattern.test(await sandbox.parts.kubectl.run(notes)),
      );
    });

    it('retains a label that another field manager adds during the delivery', async () => {
      const desired = weights(await live());
      const label = { metadata: { labels: { team: 'shop' } } };
      await sandbox.parts.client.patch(type, api.namespace, NAME, label, { fieldManager: 'gitops' });
      await api.patch({ canaryWeight: 60 });
      await awaitWeights('60 %', () => ({
        ...desired,
        [api.status.stableRevision!]: 40,
        [api.status.updateRevision!]: 60,
      }));
      assert.equal((await live()).metadata.labels?.team, 'shop');
    });

    it('has the cookie rules of sticky users, and is not written again while nothing changes', async () => {
      const stickiness = (cookie: object | null) =>
        api.patch({ strategy: { type: 'Canary', canary: { stickiness: cookie && { cookie } } } });
      const cookies = async () => JSON.stringify((await live()).spec).match(/pcf-api=/g)?.length ?? 0;
      const before = weights(await live());
      await stickiness({});
      await api.watch.until(
        'sticky',
        ({ status } = {} as never) => status?.traffic?.stickyCookie === 'pcf-api' && status.traffic.verified,
      );
      assert.deepEqual(weights(await live()), before, 'the weights are the same');
      assert.ok((await cookies()) > 2);
      const { resourceVersion } = (await live()).metadata;
      await api.patch({ revisionHistoryLimit: 9 });
      await api.watch.until('observed', ({ metadata, status } = {} as never) =>
        Boolean(status?.observedGeneration && status.observedGeneration === metadata.generation),
      );
      assert.equal((await live()).metadata.resourceVersion, resourceVersion);
      await stickiness(null);
      await eventually('the cookie rules are removed', async () => (await cookies()) === 0);
    });

    it('restores the original route when routeRef is removed, and creates a route of its own', async () => {
      await api.patch({ canaryWeight: 100 });
      await api.ready();
      const hosts = [`${api.namespace}.example.com`];
      const gateways = [provider === 'Istio' ? 'istio-system/public' : 'gateways/public'];
      await api.patch({ traffic: { provider, routeRef: null, hosts, gateways } });
      await eventually('the original route is restored', async () => {
        const { spec: now, metadata } = await live();
        return JSON.stringify(now) === JSON.stringify(original.spec) && metadata.annotations === undefined;
      });
      assert.ok(await api.get(type), 'the route of the operator exists');
    });

    it('retains the route of the operator until the referenced route is in effect', async () => {
      await api.patch({ traffic: { provider, routeRef: { name: 'misspelt' }, hosts: null, gateways: null } });
      await api.reason('RouteMissing');
      assert.ok(await api.get(type), 'the route of the operator still exists');
      await api.patch({ traffic: { routeRef: { name: NAME } } });
      await api.ready();
      await eventually(
        'the route of the operator is deleted',
        async () => (await api.get(type)) === undefined,
      );
    });

    it('restores the original route when the PcfApi is deleted, and does not delete it', async () => {
      await api.remove();
      const { spec: now, metadata } = await live();
      assert.deepEqual(now, original.spec);
      assert.equal(metadata.annotations, undefined);
      await eventually(
        'the owned objects are garbage-collected',
        async () => (await api.owned(DeploymentKind)).length === 0,
      );
    });
  });
}
