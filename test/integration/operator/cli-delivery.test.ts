/** `kubectl pcf promote --full` and `undo`: past steps, to running pods, and to a revision without pods. */
import assert from 'node:assert/strict';
import { DeploymentKind } from '../../../operator/resources/kinds.js';
import { LABELS } from '../../../operator/resources/metadata.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually, image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';

describe('kubectl pcf in a delivery with steps', () => {
  let sandbox: Sandbox;
  let api: TestApi;
  /** Names of the revisions, oldest first. */
  const revisions: string[] = [];

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    const steps = [
      { weight: 25, pause: true },
      { weight: 50, hold: '10m' },
    ];
    api = await TestApi.create(sandbox, await newTenant(sandbox, 'cli-delivery'), {
      strategy: { type: 'Canary', canary: { steps, scaleDownDelay: '5m' } },
    });
    await api.ready();
    revisions.push(api.status.stableRevision!);
  });
  after(() => api?.remove());

  const pcf = (command: string, ...more: string[]) =>
    sandbox.kubectlPcf([command, api.name, ...more, '-n', api.namespace]);
  const awaitWeight = (version: string, weight: number) =>
    api.watch.until(`${version} at ${weight} %`, (view) => {
      const { updateImage, phase, traffic } = view?.status ?? {};
      return updateImage === image(version) && phase === 'Canary' && traffic?.effectiveWeight === weight;
    });
  const awaitStable = (version: string) =>
    api.watch.until(
      `${version} is stable`,
      (view) => view?.status?.phase === 'Ready' && view.status.stableImage === image(version),
    );
  const revisionDeployments = async () =>
    (await api.owned(DeploymentKind)).filter(({ metadata }) => metadata.labels?.[LABELS.revision]);
  const latestDelivery = () => api.status.history?.[0];

  it('promote advances one step, and promote --full skips all remaining steps', async () => {
    await api.patch({ image: image('1.1.0') });
    await awaitWeight('1.1.0', 25);
    assert.match(await pcf('promote'), /pcfapi\.pcf\.dev\/api continues/);
    await awaitWeight('1.1.0', 50);
    assert.match(await pcf('promote', '--full'), /pcfapi\.pcf\.dev\/api continues/);
    await awaitStable('1.1.0');
    revisions.push(api.status.stableRevision!);
    assert.deepEqual([latestDelivery()?.outcome, latestDelivery()?.by], ['Promoted', 'test']);
  });

  it('undo only changes the weight while the old pods run, and starts a delivery with steps after scaleDownDelay', async () => {
    assert.match(await pcf('undo'), /rolls back to revision 1, .*pcf-api:1\.0\.0/);
    await awaitStable('1.0.0');
    assert.equal(api.status.stableRevision, revisions[0]);
    assert.deepEqual([latestDelivery()?.outcome, latestDelivery()?.by], ['Undone', 'pcf-cli']);

    await api.patch({ image: image('1.1.0'), strategy: { canary: { scaleDownDelay: '0s' } } });
    await awaitWeight('1.1.0', 25);
    await pcf('promote', '--full');
    await awaitStable('1.1.0');
    await eventually('the old pods are deleted', async () => (await revisionDeployments()).length === 1);
    assert.match(await pcf('undo'), /rolls back to revision 1/);
    await awaitWeight('1.0.0', 25);
    assert.equal(api.status.updateRevision, revisions[0], 'the recorded revision is reused');
    await pcf('promote', '--full');
    await awaitStable('1.0.0');
    assert.deepEqual([latestDelivery()?.outcome, latestDelivery()?.by], ['Undone', 'pcf-cli']);
  });

  it('undo --to accepts the name or the number of a revision, and lists the revisions when it is neither', async () => {
    await assert.rejects(pcf('undo', '--to', '9'), /revision 9 not found; retained revisions: 2 .*, 1 /);
    assert.match(await pcf('undo', '--to', '2'), /rolls back to revision 2, .*pcf-api:1\.1\.0/);
    await awaitWeight('1.1.0', 25);
    assert.equal(api.status.updateRevision, revisions[1]);
    assert.match(await pcf('undo', '--to', revisions[0]!), /rolls back to revision 1/);
    await awaitStable('1.0.0');
    assert.equal(latestDelivery()?.outcome, 'RolledBack');
    assert.match(await pcf('history'), /RolledBack/);
  });
});
