/** Causes of an abort that need a cluster to test. analysis.test.ts covers analysis. */
import assert from 'node:assert/strict';
import { JobKind, VirtualServiceKind } from '../../../operator/resources/kinds.js';
import { LABELS } from '../../../operator/resources/metadata.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { Load } from '../../../sandbox/story/load.js';
import { eventually, image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';

interface Http {
  route: { destination: { subset: string }; weight: number }[];
}

interface Cause {
  reason: string;
  spec: object;
  pattern: RegExp;
  /** Command of kubectl pcf that causes the abort of a canary. */
  command?: string;
}

const CAUSES: Cause[] = [
  {
    reason: 'ImagePullFailed',
    spec: { image: image('not-there') },
    pattern: /-expand-\w+: (ErrImagePull|ImagePullBackOff): failed to pull image ".*:not-there"/,
  },
  {
    reason: 'CrashLoop',
    spec: { image: image('crashing') },
    pattern: /CrashLoopBackOff: the price list is upside down/,
  },
  {
    reason: 'ProgressDeadlineExceeded',
    spec: { image: image('never-ready'), progressDeadline: '4s' },
    pattern: /no progress for 4 s: 0 of 1 pods are ready/,
  },
  {
    reason: 'MigrationFailed',
    spec: { image: image('bad-migration'), migrations: { deadline: '12s' } },
    pattern: /relation "no_such_table" does not exist/,
  },
  {
    reason: 'AbortRequested',
    spec: { image: image('1.1.0'), migrations: null, progressDeadline: null },
    pattern: /an abort was requested/,
    command: 'abort',
  },
];

describe('abort of a delivery', () => {
  let sandbox: Sandbox;
  let api: TestApi;
  let load: Load | undefined;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    api = await TestApi.create(sandbox, await newTenant(sandbox, 'given-up'), {
      image: image('not-there'),
      canaryWeight: 50,
      strategy: { type: 'Canary', canary: { scaleDownDelay: '1s' } },
    });
  });
  after(async () => {
    await load?.stop();
    await api?.remove();
  });

  const pcf = (command: string) => sandbox.kubectlPcf([command, api.name, '-n', api.namespace]);
  const jobsOf = async (revision: string) =>
    (await api.owned(JobKind)).filter(({ metadata }) => metadata.labels?.[LABELS.revision] === revision);

  async function assertStableHasAllTraffic(): Promise<void> {
    const { http } = await api.specOf<{ http: Http[] }>(VirtualServiceKind);
    const shares = http.flatMap(({ route }) => route.map(({ destination, weight }) => [destination, weight]));
    const { stableRevision } = api.status;
    assert.deepEqual(
      shares.map(([destination, weight]) => [(destination as { subset: string }).subset, weight]),
      [[stableRevision, 100]],
    );
  }

  it('does not apply to the first revision, which reports that its migration pod waits for the image', async () => {
    await api.watch.until('the failed image pull is reported', () =>
      api.message().includes('ImagePullBackOff'),
    );
    const { updateRevision = '' } = api.status;
    const expected = new RegExp(
      `waiting for the migrations of ${updateRevision} \\(expand\\) since \\S+; ${updateRevision}-expand-\\w+: ` +
        'ImagePullBackOff: failed to pull image',
    );
    assert.match(api.message(), expected);
    assert.match(api.message('MigrationsApplied'), /ImagePullBackOff: failed to pull image/);
    assert.equal(api.status.phase, 'Migrating');
    assert.equal(api.status.failed, undefined);

    await api.patch({ image: image('1.0.0') });
    await api.ready();
    await eventually(
      'the Job of the migrations is deleted',
      async () => (await jobsOf(updateRevision)).length === 0,
    );
    load = new Load({
      port: sandbox.gatewayPort,
      host: `${api.namespace}.example.com`,
      caPath: sandbox.gateway.caPath,
      query: '{ __typename }',
      workers: 1,
    });
    load.start();
  });

  for (const { reason, spec, pattern, command } of CAUSES)
    it(`for ${reason} returns all traffic to the stable revision, and only kubectl pcf retry restarts the delivery`, async () => {
      const before = api.status.history?.length ?? 0;
      await api.patch(spec);
      if (command) {
        await api.reason('CanaryHolding');
        await pcf(command);
      }
      await api.reason(reason);
      const { failed, delivery, history = [], updateRevision } = api.status;
      assert.equal(updateRevision, undefined);
      assert.equal(delivery?.failed?.reason, reason);
      assert.match(failed?.message ?? '', pattern);
      // This delivery replaced the retried delivery of the previous case.
      const { revision, outcome, reason: recordedReason, by } = history[0] ?? {};
      assert.deepEqual([revision, outcome, recordedReason], [failed?.revision, 'Aborted', reason]);
      assert.equal(by, command ? 'pcf-cli' : 'pcf-operator');
      assert.ok(history.length > before);
      await assertStableHasAllTraffic();

      // Another edit of the spec does not retry the delivery.
      await api.patch({ canaryWeight: Number(api.watch.now()?.spec.canaryWeight) + 1 });
      await api.reason(reason);
      assert.deepEqual(api.status.failed, failed);

      await pcf('retry');
      await api.watch.until('the delivery is retried', ({ status } = {} as never) => {
        const isInProgress = status?.updateRevision === failed?.revision && status?.failed === undefined;
        return isInProgress || (status?.failed !== undefined && status.failed.at !== failed?.at);
      });
    });

  it('for ImagePullFailed recurs after a retry when the image still cannot be pulled', async () => {
    await api.patch({ image: image('not-there'), canaryWeight: 50 });
    await api.reason('ImagePullFailed');
    const { at, revision = '' } = api.status.failed ?? {};
    await eventually(
      'the Job of the migrations is deleted',
      async () => (await jobsOf(revision)).length === 0,
    );
    await pcf('retry');
    await api.watch.until(
      'the delivery is aborted again',
      (view) => view?.status?.failed !== undefined && view.status.failed.at !== at,
    );
    assert.equal(api.status.failed?.reason, 'ImagePullFailed');
    await api.patch({ image: image('1.0.0') });
    await api.ready();
  });

  it('causes no failed request', async () => {
    const { total } = load!;
    await load!.stop();
    load = undefined;
    assert.deepEqual(total.failures, []);
    assert.ok((total.served['1.0.0'] ?? 0) > 100);
  });
});

describe('a first revision that is not ready by progressDeadline', () => {
  let sandbox: Sandbox;
  let api: TestApi;
  let other: TestApi | undefined;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    api = await TestApi.create(sandbox, await newTenant(sandbox, 'first-stuck'), {
      image: image('never-ready'),
      progressDeadline: '3s',
    });
  });
  after(async () => {
    await api?.remove();
    await other?.remove();
  });

  it('is reported as Stalled, is not deleted, and does not block other PcfApis', async () => {
    await api.reason('ProgressDeadlineExceeded');
    assert.match(
      api.message(),
      /no progress for 3 s: 0 of 1 pods are ready; \S+ is retained, because there is no stable/,
    );
    const { conditions = [], updateRevision, failed } = api.status;
    assert.equal(conditions.find(({ type }) => type === 'Stalled')?.status, 'True');
    assert.ok(updateRevision);
    assert.equal(failed, undefined);

    const { resourceVersion } = api.watch.now()!.metadata;
    other = await TestApi.create(sandbox, await newTenant(sandbox, 'first-beside'), {});
    await other.ready();
    assert.equal(
      api.watch.now()!.metadata.resourceVersion,
      resourceVersion,
      'the status is not written in the meantime',
    );
  });

  it('becomes Ready once a working image is applied', async () => {
    await api.patch({ image: image('1.0.0') });
    await api.ready();
  });
});
