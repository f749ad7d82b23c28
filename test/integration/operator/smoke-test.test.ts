import assert from 'node:assert/strict';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Pod } from '../../../operator/reconciler/pod-state.js';
import { DeploymentKind, JobKind, PodKind, ServiceKind } from '../../../operator/resources/kinds.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { Load } from '../../../sandbox/story/load.js';
import { LIST } from '../../../sandbox/story/scenario.js';
import { eventually, image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';

const SMOKE_IMAGE = 'smoke-test:1';
const PREVIEW_HOST = 'preview.example.com';
const REPLICAS = 2;
const FAULTY = 'erroneous';

describe('a smoke test before a blue-green switch', () => {
  let sandbox: Sandbox;
  let api: TestApi;
  let load: Load;
  /** The smoke test waits for this file. */
  let begin: string;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    const folder = join(sandbox.node.imagesDir, SMOKE_IMAGE.replace(':', '/'));
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    cpSync('dist/test/support/programs/smoke-test.js', join(folder, 'smoke-test.js'));
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
    writeFileSync(join(folder, 'image.json'), JSON.stringify({ entrypoint: ['node', './smoke-test.js'] }));
    begin = join(folder, 'begin');

    const namespace = await newTenant(sandbox, 'smoke');
    // The sandbox has no DNS for Services, so its gateway routes to the preview.
    sandbox.routing.serviceHosts.set(PREVIEW_HOST, `${namespace}/api-preview`);
    const env = Object.entries({
      HOST: PREVIEW_HOST,
      PORT: String(sandbox.gatewayPort),
      CA: pathToFileURL(sandbox.gateway.caPath).href,
      BEGIN: pathToFileURL(begin).href,
    }).map(([name, value]) => ({ name, value }));
    const analysis = {
      ...{ interval: '1s', initialDelay: '0s', count: 1 },
      metrics: [{ name: 'smoke', job: { image: SMOKE_IMAGE, env } }],
    };
    api = await TestApi.create(sandbox, namespace, {
      replicas: REPLICAS,
      strategy: { type: 'BlueGreen', blueGreen: { autoPromote: true, analysis, scaleDownDelay: '5s' } },
    });
    await api.ready(90_000);
    load = new Load({
      port: sandbox.gatewayPort,
      host: `${namespace}.example.com`,
      caPath: sandbox.gateway.caPath,
      query: LIST,
      faulty: [FAULTY],
      workers: 4,
    });
    load.start();
  });
  after(async () => {
    await load?.stop();
    sandbox?.routing.serviceHosts.delete(PREVIEW_HOST);
    await api?.remove();
  });

  const smokeTests = async () => {
    const labelSelector = `pcf.dev/analysis=smoke,pcf.dev/analysed-revision=${api.status.updateRevision}`;
    return (await sandbox.parts.client.list(JobKind, { namespace: api.namespace, labelSelector })).items;
  };
  const smokeTestRuns = () => eventually('the smoke test runs', async () => (await smokeTests()).length > 0);
  const readyPods = async (revision = '') => {
    const labelSelector = `pcf.dev/revision=${revision},app.kubernetes.io/component=api`;
    const { items } = await sandbox.parts.client.list(PodKind, { namespace: api.namespace, labelSelector });
    return (items as Pod[]).filter(({ status }) =>
      status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    ).length;
  };

  it('starts when all new pods are ready, and no request reaches them before it has passed', async () => {
    await api.patch({ image: image('1.1.0') });
    await smokeTestRuns();
    assert.equal(await readyPods(api.status.updateRevision), REPLICAS);
    const { served } = await load.sample(2_000);
    assert.deepEqual(Object.keys(served), ['1.0.0']);
    assert.deepEqual([api.status.traffic?.effectiveWeight, api.status.analysis?.verdict], [0, 'Running']);
  });

  it('switches all traffic when it passes', async () => {
    writeFileSync(begin, '');
    await api.ready();
    assert.equal(api.status.stableImage, image('1.1.0'));
    const { served } = await load.sample(500);
    assert.deepEqual(Object.keys(served), ['1.1.0']);
  });

  it('aborts the delivery with the reason when it fails, without any client request to the new pods', async () => {
    const { served: servedBefore } = load.total;
    assert.deepEqual(Object.keys(servedBefore).sort(), ['1.0.0', '1.1.0']);
    await api.patch({ image: image(FAULTY) });
    await eventually('the delivery is aborted', () => api.status.failed !== undefined);
    const { reason, message, revision } = api.status.failed!;
    assert.equal(reason, 'AnalysisFailed');
    assert.match(
      message,
      /^smoke: 1 measurement failed; last result: Job api-\S+ failed; see kubectl logs job\/api-/,
    );
    assert.equal(api.status.stableImage, image('1.1.0'));
    await eventually(
      'the preview Service is deleted',
      async () => !(await api.get(ServiceKind, 'api-preview')),
    );
    await eventually('the Deployment is deleted', async () => !(await api.get(DeploymentKind, revision)));
    const { served, faults } = load.total;
    assert.deepEqual([Object.keys(served).sort(), faults], [['1.0.0', '1.1.0'], {}]);
  });

  it('runs only once while the switch waits for promotion', async () => {
    await api.patch({ strategy: { blueGreen: { autoPromote: false } }, image: image('1.0.0') });
    await api.watch.until('the switch waits for promotion', (view) => {
      const { analysis, conditions } = view?.status ?? {};
      const isWaiting = conditions?.some(({ message }) => message.includes('kubectl pcf promote'));
      return analysis?.verdict === 'Passed' && isWaiting === true;
    });
    // Three intervals of the analysis.
    const { served } = await load.sample(3_000);
    assert.deepEqual(Object.keys(served), ['1.1.0']);
    assert.equal((await smokeTests()).length, 1);
    await sandbox.kubectlPcf(['promote', api.name, '-n', api.namespace]);
    await api.ready();
    assert.equal(api.status.stableImage, image('1.0.0'));
  });

  it('causes no failed request', () => assert.deepEqual(load.total.failures, []));
});
