/** `kubectl pcf promote --full` and `undo`, where they lead: past the steps, to the pods that still run, and to a revision that has none any more. */
import assert from 'node:assert/strict';
import { DeploymentKind } from '../../../operator/resources/kinds.js';
import { LABELS } from '../../../operator/resources/metadata.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually, image, TestApi } from '../../support/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/sandbox.js';

describe('kubectl pcf, in a delivery by steps,', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;
  let api: TestApi;
  /** The revisions, in the order in which they came. */
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
  const stands = (version: string, weight: number) =>
    api.watch.until(`${version} at ${weight} %`, (view) => {
      const { updateImage, phase, traffic } = view?.status ?? {};
      return updateImage === image(version) && phase === 'Canary' && traffic?.effectiveWeight === weight;
    });
  const stable = (version: string) =>
    api.watch.until(
      `${version} is stable`,
      (view) => view?.status?.phase === 'Ready' && view.status.stableImage === image(version),
    );
  const withPods = async () =>
    (await api.owned(DeploymentKind)).filter(({ metadata }) => metadata.labels?.[LABELS.revision]);
  const last = () => api.status.history?.[0];

  it('promote continues one step, promote --full past all that are left', async () => {
    await api.patch({ image: image('1.1.0') });
    await stands('1.1.0', 25);
    assert.match(await pcf('promote'), /pcfapi\.pcf\.dev\/api continues/);
    await stands('1.1.0', 50);
    assert.match(await pcf('promote', '--full'), /pcfapi\.pcf\.dev\/api continues/);
    await stable('1.1.0');
    revisions.push(api.status.stableRevision!);
    assert.deepEqual([last()?.outcome, last()?.by], ['Promoted', 'test']);
  });

  it('undo is a change of weight while the pods still run, and past the delay a delivery by steps', async () => {
    assert.match(await pcf('undo'), /rolls back to revision 1, .*pcf-api:1\.0\.0/);
    await stable('1.0.0');
    assert.equal(api.status.stableRevision, revisions[0]);
    assert.deepEqual([last()?.outcome, last()?.by], ['Undone', 'pcf-cli']);

    await api.patch({ image: image('1.1.0'), strategy: { canary: { scaleDownDelay: '0s' } } });
    await stands('1.1.0', 25);
    await pcf('promote', '--full');
    await stable('1.1.0');
    await eventually('the old pods are gone', async () => (await withPods()).length === 1, 30_000);
    assert.match(await pcf('undo'), /rolls back to revision 1/);
    await stands('1.0.0', 25);
    assert.equal(api.status.updateRevision, revisions[0], 'it is the revision on record');
    await pcf('promote', '--full');
    await stable('1.0.0');
    assert.deepEqual([last()?.outcome, last()?.by], ['Undone', 'pcf-cli']);
  });

  it('undo --to takes the name or the number of a revision, and says what there is when it is neither', async () => {
    await assert.rejects(pcf('undo', '--to', '9'), /revision 9 not found; retained revisions: 2 .*, 1 /);
    assert.match(await pcf('undo', '--to', '2'), /rolls back to revision 2, .*pcf-api:1\.1\.0/);
    await stands('1.1.0', 25);
    assert.equal(api.status.updateRevision, revisions[1]);
    assert.match(await pcf('undo', '--to', revisions[0]!), /rolls back to revision 1/);
    await stable('1.0.0');
    assert.equal(last()?.outcome, 'RolledBack');
    assert.match(await pcf('history'), /RolledBack/);
  });
});
