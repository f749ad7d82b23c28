import assert from 'node:assert/strict';
import {
  DestinationRuleKind,
  EndpointSliceKind,
  HttpRouteKind,
  ServiceKind,
  VirtualServiceKind,
} from '../../../operator/resources/kinds.js';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-client.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually, TestApi } from '../../support/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/sandbox.js';

/** Less than the operator waits for the data plane; in milliseconds. */
const SETTLE_MS = 1_500;

describe('a change of traffic.provider', function () {
  this.timeout(90_000);
  let sandbox: Sandbox;
  let api: TestApi;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    api = await TestApi.create(sandbox, await newTenant(sandbox, 'provider'), {
      replicas: 2,
      traffic: { provider: 'None' },
    });
    await api.ready();
  });

  const traffic = (provider: string) => ({
    provider,
    hosts: [`${api.namespace}.example.com`],
    gateways: provider === 'None' ? [] : ['istio-system/public'],
  });
  const versionOf = ({ metadata }: KubeObject) => Number(metadata.resourceVersion);
  /** When the Service got its endpoints; it has had the same ones since. */
  const endpointsOf = async (service: string) => {
    const labelSelector = `kubernetes.io/service-name=${service}`;
    const { items } = await sandbox.parts.client.list(EndpointSliceKind, {
      namespace: api.namespace,
      labelSelector,
    });
    assert.equal(items.length, 1);
    return versionOf(items[0]!);
  };
  const gone = (type: ResourceType, name?: string) =>
    eventually(`${type.kind} ${name ?? ''} is gone`, async () => !(await api.get(type, name)));

  it('None to Istio: the VirtualService is created once its Service has endpoints', async () => {
    await api.patch({ traffic: traffic('Istio') });
    await eventually(
      'the VirtualService exists',
      async () => (await api.get(VirtualServiceKind)) !== undefined,
    );
    await api.ready();
    const route = (await api.get(VirtualServiceKind))!;
    assert.ok(versionOf(route) > (await endpointsOf('api-revisions')), 'the endpoints were there before');
  });

  it('Istio to GatewayAPI: the VirtualService is deleted after the HTTPRoute is in effect, and what it refers to after that', async () => {
    const revision = api.status.stableRevision!;
    await api.patch({ traffic: traffic('GatewayAPI') });
    await eventually('the HTTPRoute exists', async () => (await api.get(HttpRouteKind)) !== undefined);
    const from = performance.now();
    assert.ok(await api.get(VirtualServiceKind), 'the previous route still serves');
    assert.ok(versionOf((await api.get(HttpRouteKind))!) > (await endpointsOf(revision)));
    await gone(VirtualServiceKind);
    const routeGone = performance.now();
    assert.ok(routeGone - from > SETTLE_MS, `${routeGone - from} ms`);
    assert.ok(await api.get(DestinationRuleKind, 'api-revisions'));
    await gone(DestinationRuleKind, 'api-revisions');
    assert.ok(performance.now() - routeGone > SETTLE_MS);
    await gone(ServiceKind, 'api-revisions');
  });
});
