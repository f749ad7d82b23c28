import assert from 'node:assert/strict';
import { DeploymentKind, PodKind } from '../../../operator/resources/kinds.js';
import { LABELS } from '../../../operator/resources/metadata.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually, image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';

describe('a canary of the worker on a real control plane', () => {
  let sandbox: Sandbox;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    if (!sandbox.redis) this.skip();
  });

  it('runs workers by weight, keeps them at the promotion, removes them at an abort, and is held by incompatible jobs', async function () {
    this.timeout(180_000);
    const namespace = await newTenant(sandbox, 'worker-canary');
    const worker = { enabled: true, replicas: 2, canary: { enabled: false } };
    const api = await TestApi.create(sandbox, namespace, {
      redis: { secretRef: { name: 'pcf-api-secrets', key: 'redis-url' } },
      components: { worker },
      strategy: { type: 'Canary', canary: { scaleDownDelay: '2s' } },
    });
    await api.ready();
    const deployments = async () =>
      (await api.owned(DeploymentKind))
        .filter(({ metadata }) => metadata.labels?.[LABELS.component] === 'worker')
        .map(({ metadata, spec }) => [metadata.name, (spec as { replicas: number }).replicas] as const)
        .sort();
    const areDeployed = (expected: Record<string, number>) => async () =>
      JSON.stringify(await deployments()) === JSON.stringify(Object.entries(expected).sort());
    const readyPods = async () =>
      (await api.owned(PodKind)).filter(
        ({ metadata, status }) =>
          metadata.labels?.[LABELS.component] === 'worker' &&
          !metadata.deletionTimestamp &&
          (status as { conditions?: { type: string; status: string }[] }).conditions?.some(
            (one) => one.type === 'Ready' && one.status === 'True',
          ),
      );
    await eventually('the workers are ready', async () => (await readyPods()).length === 2);
    assert.deepEqual(await deployments(), [['api-worker', 2]]);

    // Workers of the other Deployment stop once these are ready.
    await api.patch({ components: { worker: { canary: { enabled: true } } } });
    const old = api.status.stableRevision!;
    await eventually('both Deployments exist', areDeployed({ 'api-worker': 2, [`${old}-worker`]: 2 }));
    await eventually('the common Deployment is removed', areDeployed({ [`${old}-worker`]: 2 }));
    assert.ok((await readyPods()).length >= 2);

    await api.patch({ image: image('1.1.0'), canaryWeight: 50 });
    const sharesAre = (expected: Record<string, number>) => () =>
      (api.status.revisions ?? []).every(({ name, workers }) => workers?.share === expected[name]);
    await api.watch.until('a canary', (view) => view?.status?.traffic?.effectiveWeight === 50);
    const fresh = api.status.updateRevision!;
    await eventually(
      'each revision has a worker',
      areDeployed({ [`${fresh}-worker`]: 1, [`${old}-worker`]: 1 }),
    );
    await eventually('the status has their shares', sharesAre({ [old]: 50, [fresh]: 50 }));
    assert.match(await sandbox.kubectlPcf(['status', 'api', '-n', namespace]), /1\/1 \(50 %\)/);

    let fewest = Number.POSITIVE_INFINITY;
    const awaitDeployed = (what: string, expected: Record<string, number>) =>
      eventually(what, async () => {
        fewest = Math.min(fewest, (await readyPods()).length);
        return areDeployed(expected)();
      });
    await sandbox.kubectlPcf(['abort', 'api', '-n', namespace]);
    await awaitDeployed('the aborted revision has no worker', { [`${old}-worker`]: 2 });
    assert.ok(fewest >= 1, 'no worker was ready during the abort');

    await sandbox.kubectlPcf(['retry', 'api', '-n', namespace]);
    await eventually(
      'each revision has a worker',
      areDeployed({ [`${fresh}-worker`]: 1, [`${old}-worker`]: 1 }),
    );
    await eventually('they are ready', sharesAre({ [old]: 50, [fresh]: 50 }));
    const before = (await readyPods()).find(({ metadata }) => metadata.labels?.[LABELS.revision] === fresh);
    fewest = Number.POSITIVE_INFINITY;
    await api.patch({ canaryWeight: 100 });
    await api.watch.until('promoted', (view) => view?.status?.stableRevision === fresh);
    await awaitDeployed('the old workers are removed', { [`${fresh}-worker`]: 2 });
    assert.ok(fewest >= 2, 'fewer workers were ready during the promotion');
    const after = (await readyPods()).map(({ metadata }) => metadata.uid);
    assert.ok(after.includes(before!.metadata.uid), 'the promotion replaced a worker');

    await api.patch({ image: image('jobs-of-version-2'), canaryWeight: 50 });
    await api.reason('JobsIncompatible');
    const latest = api.status.updateRevision;
    assert.match(
      api.message(),
      new RegExp(
        `^the weight of ${latest} stays at 0 since .*: ${fresh} cannot read version 2 of webhook-delivery jobs, which ${latest} queues; and 1 more; first release an image whose jobs both revisions can process, or disable `,
      ),
    );
    assert.deepEqual(await deployments(), [[`${fresh}-worker`, 2]]);
    await api.patch({ components: { worker: { canary: { enabled: false } } } });
    await api.watch.until('a canary', (view) => view?.status?.traffic?.effectiveWeight === 50);
    await eventually('the workers stay on the stable revision', areDeployed({ 'api-worker': 2 }));
    await api.remove();
  });
});
