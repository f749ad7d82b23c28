import assert from 'node:assert/strict';
import type { AnalysisStatus } from '../../../operator/api/v1alpha1/status/analysis.js';
import type { PcfApiStatus } from '../../../operator/api/v1alpha1/status.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually, image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';
import { HttpEndpoint } from '../../support/servers/http-endpoint.js';

describe('a delivery with analysis', () => {
  let sandbox: Sandbox;
  let api: TestApi;
  let judge: HttpEndpoint;
  let slack: HttpEndpoint;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    judge = await HttpEndpoint.start();
    slack = await HttpEndpoint.start(true);
    const namespace = await newTenant(sandbox, 'analysis');
    await sandbox.parts.kubectl.apply([
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'slack', namespace },
        stringData: { url: `${slack.url}/services/hush` },
      },
    ]);
    const webhook = { name: 'team', urlSecretRef: { name: 'slack' }, tls: { insecureSkipVerify: true } };
    const analysis = {
      ...{ interval: '1s', initialDelay: '0s', count: 2, inconclusiveLimit: 1 },
      metrics: [{ name: 'judge', webhook: { url: judge.url } }],
    };
    api = await TestApi.create(sandbox, namespace, {
      strategy: { type: 'Canary', canary: { steps: [{ weight: 50 }], analysis } },
      notifications: { webhooks: [webhook] },
    });
    await api.ready(90_000);
  });
  after(async () => {
    await api?.remove();
    await judge?.stop();
    await slack?.stop();
  });

  const analysis = () => (api.status as { analysis?: AnalysisStatus }).analysis;
  const delivery = () => (api.status as PcfApiStatus).delivery;
  const texts = () => slack.bodies.map(({ text }) => String(text).replace(/api-[a-z0-9]{10}/g, 'api-x'));
  const actors = () =>
    slack.bodies.map(({ attachments }) => {
      const [{ fields }] = attachments as [{ fields: { title: string; value: string }[] }];
      return fields.find(({ title }) => title === 'By')?.value;
    });
  const verdictResponse = (verdict: string) => ({
    body: JSON.stringify({ verdict, message: `it says ${verdict}` }),
  });

  it('does not continue while the verdict is Inconclusive or Unavailable, and reports the cause', async () => {
    judge.answer = verdictResponse('Inconclusive');
    await api.patch({ image: image('1.1.0') });
    await eventually('the verdict is Inconclusive', () => analysis()?.verdict === 'Inconclusive');
    assert.match(
      analysis()!.message,
      /judge: \d consecutive measurements are inconclusive since .*: it says Inconclusive/,
    );
    judge.answer = 'cut';
    await eventually('the verdict is Unavailable', () => analysis()?.verdict === 'Unavailable');
    assert.match(
      analysis()!.message,
      /measurements fail since \S+: the webhook at .*: the connection was closed/,
    );
    assert.equal((api.status as { traffic?: { effectiveWeight: number } }).traffic?.effectiveWeight, 50);
  });

  it('continues after a successful measurement, is promoted, and sends notifications', async () => {
    judge.answer = verdictResponse('Success');
    await api.ready();
    const body = judge.bodies.at(-1)!;
    assert.deepEqual([body.metric, body.image, body.weight], ['judge', image('1.1.0'), 50]);
    await eventually(
      'the promotion notification is received',
      () => texts().at(-1)?.endsWith('api-x was promoted') === true,
    );
    assert.deepEqual(
      texts()
        .slice(-2)
        .map((text) => text.split(': ')[1]),
      ['api-x is being delivered', 'api-x was promoted'],
    );
  });

  it('is aborted after a failed measurement, and sends a notification with the reason', async () => {
    judge.answer = verdictResponse('Failure');
    await api.patch({ config: { logging: { level: 'warn' } } });
    await eventually('the delivery is aborted', () => delivery()?.failed !== undefined);
    const { failed } = delivery()!;
    assert.deepEqual(
      [failed?.reason, failed?.message],
      ['AnalysisFailed', 'judge: 1 measurement failed; last result: it says Failure'],
    );
    await eventually(
      'the abort notification is received',
      () => texts().at(-1)?.includes('was aborted') === true,
    );
    assert.match(
      texts().at(-1)!,
      /api-x was aborted: AnalysisFailed: judge: 1 measurement failed; last result: it says Fail/,
    );
    assert.deepEqual(actors().slice(-2), ['test', 'pcf-operator']);
  });
});
