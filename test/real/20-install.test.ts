import assert from 'node:assert/strict';
import { eventually, TestApi } from '../support/cluster/pcf-api.js';
import type { RealCluster } from './cluster/real-cluster.js';
import { ask } from './load.js';
import { serviceAddress, sharedCluster, sharedOperator } from './support.js';

describe('real install', () => {
  let real: RealCluster;

  before(async () => {
    real = await sharedCluster();
  });

  it('the manifests install an operator that becomes Ready', () => sharedOperator());

  it('a minimal PcfApi becomes Ready, and its Service responds', async () => {
    await real.createTenant('minimal');
    const api = await TestApi.create(real, 'minimal', { traffic: undefined });
    await api.ready(180_000);
    const address = await serviceAddress(real, 'minimal', 'api');
    // On each node, kube-proxy forwards to the new pods a moment after they are ready.
    await eventually('kube-proxy forwards to the pods', () =>
      ask(address).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code !== 'ECONNREFUSED') throw error;
          return false;
        },
      ),
    );
    const { status, version } = await ask(address);
    assert.deepEqual({ status, version }, { status: 200, version: '1.0.0' });
    await api.remove();
  });
});
