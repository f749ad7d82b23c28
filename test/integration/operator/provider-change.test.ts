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
import { eventually, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';

/** Lower bound of the wait for the data plane, in milliseconds. */
const SETTLE_MS = 1_500;

describe('a change of traffic.provider', () => {
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
  /** Resource version of the last change of the endpoints of a Service. */
  const endpointsOf = async (service: string) => {
    const labelSelector = `kubernetes.io/service-name=${service}`;
    const { items } = await sandbox.parts.client.list(EndpointSliceKind, {
      namespace: api.namespace,
      labelSelector,
    });
    assert.equal(items.length, 1);
    return versionOf(items[0]!);
  };
  const awaitDeletion = (type: ResourceType, name?: string) =>
    eventually(`${type.kind} ${name ?? ''} is deleted`, async () => !(await api.get(type, name)));

  it('None to Istio: creates the VirtualService once its Service has endpoints', async () => {
    await api.patch({ traffic: traffic('Istio') });
    await eventually(
      'the VirtualService exists',
      async () => (await api.get(VirtualServiceKind)) !== undefined,
    );
    await api.ready();
    const route = (await api.get(VirtualServiceKind))!;
    assert.ok(
      versionOf(route) > (await endpointsOf('api-revisions')),
      'the endpoints existed before the route',
    );
  });

  it('Istio to GatewayAPI: deletes the VirtualService once the HTTPRoute is in effect, then its DestinationRule and Service', async () => {
    const revision = api.status.stableRevision!;
    await api.patch({ traffic: traffic('GatewayAPI') });
    await eventually('the HTTPRoute exists', async () => (await api.get(HttpRouteKind)) !== undefined);
    const from = performance.now();
    assert.ok(await api.get(VirtualServiceKind), 'the previous route still serves');
    assert.ok(versionOf((await api.get(HttpRouteKind))!) > (await endpointsOf(revision)));
    await awaitDeletion(VirtualServiceKind);
    const routeDeletedAt = performance.now();
    assert.ok(routeDeletedAt - from > SETTLE_MS, `${routeDeletedAt - from} ms`);
    assert.ok(await api.get(DestinationRuleKind, 'api-revisions'));
    await awaitDeletion(DestinationRuleKind, 'api-revisions');
    assert.ok(performance.now() - routeDeletedAt > SETTLE_MS);
    await awaitDeletion(ServiceKind, 'api-revisions');
  });
});
