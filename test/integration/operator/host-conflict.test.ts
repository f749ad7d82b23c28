import assert from 'node:assert/strict';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually, TestApi } from '../../support/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/sandbox.js';

describe('two PcfApis with the same host at the same gateway', function () {
  this.timeout(90_000);
  const traffic = {
    provider: 'GatewayAPI',
    hosts: ['shared.example.com'],
    gateways: ['gateways/public'],
  };
  let sandbox: Sandbox;
  let older: TestApi;
  let younger: TestApi;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    older = await TestApi.create(sandbox, await newTenant(sandbox, 'host-a'), { traffic });
    await older.ready();
    // Route objects have whole seconds, and of two from the same second the name decides.
    younger = await TestApi.create(sandbox, await newTenant(sandbox, 'host-b'), { traffic });
  });

  it('the younger one is not Ready, with a reason that names the older one', async () => {
    await younger.reason('HostConflict', 60_000);
    assert.match(
      younger.message(),
      new RegExp(`HTTPRoute ${older.namespace}/api of PcfApi ${older.namespace}/api also claims shared`),
    );
    await eventually('Degraded', () => younger.message('Degraded').includes('shared.example.com'));
    assert.equal(older.status.phase, 'Ready');
  });

  it('the younger one becomes Ready once the older one has another host', async () => {
    await older.patch({ traffic: { hosts: [`${older.namespace}.example.com`] } });
    await younger.ready();
    await older.ready();
  });
});
