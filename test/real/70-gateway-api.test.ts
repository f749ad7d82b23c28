import { expectStickyUsers } from './browsers.js';
import { ISTIO_NAMESPACE } from './cluster/istiod.js';
import { Delivery } from './delivery.js';
import { imageOf } from './parts/images.js';
import { sharedCluster, sharedGateway } from './support.js';

const NAMESPACE = 'gateway-api';

/** A Gateway for the running Envoy, in the namespace of its Service: istiod starts no other Envoy. */
const GATEWAY = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'public', namespace: ISTIO_NAMESPACE },
  spec: {
    gatewayClassName: 'istio',
    addresses: [{ type: 'Hostname', value: `istio-ingressgateway.${ISTIO_NAMESPACE}.svc.cluster.local` }],
    listeners: [
      {
        ...{ name: 'http', port: 80, protocol: 'HTTP', hostname: `${NAMESPACE}.example.com` },
        allowedRoutes: { namespaces: { from: 'All' } },
      },
    ],
  },
};

describe('real canary with the Gateway API, istiod and Envoy', function () {
  this.timeout(900_000);
  let delivery: Delivery;

  before(async () => {
    const { kubectl } = await sharedCluster();
    await sharedGateway();
    await kubectl.apply([GATEWAY]);
    const wait = ['wait', '--for=condition=Programmed', 'gateways.gateway.networking.k8s.io/public'];
    await kubectl.run([...wait, '-n', ISTIO_NAMESPACE, '--timeout=60s']);
    const hosts = [`${NAMESPACE}.example.com`];
    const traffic = { provider: 'GatewayAPI', hosts, gateways: [`${ISTIO_NAMESPACE}/public`] };
    delivery = await Delivery.start(NAMESPACE, { replicas: 2, traffic });
  });

  after(() => delivery?.stop());

  for (const weight of [0, 50]) {
    it(`weight ${weight}: the Gateway splits requests, and the Service routes only to the stable revision`, async () => {
      await delivery.api.patch({ image: imageOf('1.1.0'), canaryWeight: weight });
      await delivery.weightInEffect(weight);
      const expected = { gateway: weight, service: 0, header: 100 };
      await delivery.expectShares(`weight ${weight}`, '1.1.0', expected);
    });
  }

  it('sticky users: each browser stays at its revision, and a higher weight moves browsers to the canary only', () =>
    expectStickyUsers(delivery, [50, 77]));

  it('weight 100: the promotion routes every client to the new revision', async () => {
    await delivery.api.patch({ canaryWeight: 100 });
    await delivery.promoted(imageOf('1.1.0'));
    await delivery.expectShares('weight 100', '1.1.0', { gateway: 100, service: 100, header: 100 });
  });
});
