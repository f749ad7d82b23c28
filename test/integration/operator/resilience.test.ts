import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';

describe('the operator', () => {
  let sandbox: Sandbox;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
  });

  it('completes a delivery although it is killed repeatedly', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'killed'));
    await api.ready();
    await api.patch({ image: image('1.1.0'), canaryWeight: 100 });
    for (const pauseMs of [20, 400]) {
      await sandbox.operator.kill();
      await sandbox.operator.restart();
      await sleep(pauseMs);
    }
    await api.watch.until(
      'delivered',
      ({ status } = {} as never) => status?.phase === 'Ready' && status.stableImage === image('1.1.0'),
      100_000,
    );
    await api.remove();
  });

  it('completes a delivery although the API server is killed during it', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'apiserver'));
    await api.ready();
    await api.patch({ image: image('1.1.0'), canaryWeight: 50 });
    await sleep(300);
    await sandbox.parts.cluster.apiServer.kill();
    await sleep(1_000);
    await sandbox.parts.cluster.restartApiServer();
    await api.watch.until(
      'canary at 50',
      ({ status } = {} as never) => status?.traffic?.effectiveWeight === 50,
      100_000,
    );
    await api.patch({ canaryWeight: 100 });
    await api.ready(60_000);
    assert.equal(api.status.stableImage, image('1.1.0'));
    await api.remove();
  });
});
