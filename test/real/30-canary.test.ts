import assert from 'node:assert/strict';
import { TestApi } from '../support/pcf-api.js';
import type { RealCluster } from './cluster/real-cluster.js';
import { ask } from './load.js';
import { sharedCluster, sharedGateway } from './support.js';

const NAMESPACE = 'canary';
const HOST = `${NAMESPACE}.example.com`;

describe('real canary behind istiod and Envoy', function () {
  this.timeout(600_000);
  let real: RealCluster;
  let api: TestApi<RealCluster>;
  let gateway: string;

  before(async () => {
    real = await sharedCluster();
    gateway = await sharedGateway();
    await real.createTenant(NAMESPACE);
    api = await TestApi.create(real, NAMESPACE, { replicas: 2, canaryWeight: 0 });
    await api.ready(180_000);
  });

  it('Envoy routes the host of a Ready PcfApi', async () => {
    const answer = await ask({ url: gateway, headers: { host: HOST } });
    assert.equal(answer.status, 200, answer.text);
  });
});
