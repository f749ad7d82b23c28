import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { DeploymentKind } from '../../../operator/resources/kinds.js';
import { OperatorProcess } from '../../../sandbox/operator-process.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually, image, TestApi } from '../../support/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/sandbox.js';

/** Requests of the operator that change something, by its own count. */
async function writes(port: number): Promise<number> {
  const { body } = await request(`http://127.0.0.1:${port}/metrics`);
  const lines = (await body.text())
    .split('\n')
    .filter((line) => /^rest_client_requests_total\{method="(PATCH|POST|DELETE)"/.test(line));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

describe('the operator', function () {
  this.timeout(120_000);
  let sandbox: Sandbox;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
  });

  it('writes nothing when nothing changes', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'steady'));
    await api.ready();
    await sleep(1_500); // what follows Ready: the read-back, the events
    const before = await writes(sandbox.operator.port);
    const { client } = sandbox.parts;
    const [deployment] = await api.owned(DeploymentKind);
    // Something happens that is none of its business, and makes it look.
    const patch = { metadata: { annotations: { 'example.com/note': 'hello' } } };
    await client.patch(DeploymentKind, api.namespace, deployment!.metadata.name, patch, {
      fieldManager: 'somebody',
    });
    await sleep(2_000);
    assert.equal(await writes(sandbox.operator.port), before);
    await api.remove();
  });

  it('ends a delivery well though it is killed again and again', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'killed'));
    await api.ready();
    await api.patch({ image: image('1.1.0'), canaryWeight: 100 });
    for (const pauseMs of [20, 150, 400, 900, 60]) {
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

  it('rides out an API server that is killed in the middle of a delivery', async () => {
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

  it('has a standby that takes over when the leader leaves, and never two at once', async () => {
    const { cluster } = sandbox.parts;
    const standby = await OperatorProcess.start({
      cluster,
      stateDir: sandbox.stateDir,
      ledger: sandbox.ledger,
      name: 'standby',
    });
    try {
      assert.equal(await writes(standby.port), 0);
      await sandbox.operator.stop();
      const api = await TestApi.create(sandbox, await newTenant(sandbox, 'standby'));
      const from = performance.now();
      await eventually('the standby leads', async () => (await writes(standby.port)) > 0);
      assert.ok(performance.now() - from < 6_000, 'a lease that was given back is taken within seconds');
      await api.ready();
      await api.remove();
    } finally {
      await standby.stop();
      await sandbox.operator.restart();
    }
  });
});
