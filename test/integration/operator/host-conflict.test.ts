import assert from 'node:assert/strict';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';

describe('two PcfApis with the same host at the same gateway', () => {
  const traffic = {
    provider: 'GatewayAPI',
    hosts: ['shared.example.com'],
    gateways: ['gateways/public'],
  };
  let sandbox: Sandbox;
  let older: TestApi;
  let newer: TestApi;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    older = await TestApi.create(sandbox, await newTenant(sandbox, 'host-a'), { traffic });
    await older.ready();
    // creationTimestamp has a resolution of 1 s. Between routes of the same second the name decides.
    newer = await TestApi.create(sandbox, await newTenant(sandbox, 'host-b'), { traffic });
  });

  it('the newer one is not Ready, and its message names the older one', async () => {
    await newer.reason('HostConflict');
    assert.match(
      newer.message(),
      new RegExp(`HTTPRoute ${older.namespace}/api of PcfApi ${older.namespace}/api also claims shared`),
    );
    await eventually('Degraded', () => newer.message('Degraded').includes('shared.example.com'));
    assert.equal(older.status.phase, 'Ready');
  });

  it('the newer one becomes Ready once the older one has another host', async () => {
    await older.patch({ traffic: { hosts: [`${older.namespace}.example.com`] } });
    await newer.ready();
    await older.ready();
  });
});
