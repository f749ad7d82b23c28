/** Every cause for which a delivery is aborted that needs a cluster to happen: analysis has its own tests. */
import assert from 'node:assert/strict';
import { JobKind, VirtualServiceKind } from '../../../operator/resources/kinds.js';
import { LABELS } from '../../../operator/resources/metadata.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { Load } from '../../../sandbox/story/load.js';
import { eventually, image, TestApi } from '../../support/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/sandbox.js';

interface Http {
  route: { destination: { subset: string }; weight: number }[];
}

interface Cause {
  reason: string;
  spec: object;
  says: RegExp;
  /** What brings it about, once there is a canary. */
  byHand?: string;
}

const CAUSES: Cause[] = [
  {
    reason: 'ImagePullFailed',
    spec: { image: image('not-there') },
    says: /-expand-\w+: (ErrImagePull|ImagePullBackOff): failed to pull image ".*:not-there"/,
  },
  {
    reason: 'CrashLoop',
    spec: { image: image('crashing') },
    says: /CrashLoopBackOff: the price list is upside down/,
  },
  {
    reason: 'ProgressDeadlineExceeded',
    spec: { image: image('never-ready'), progressDeadline: '4s' },
    says: /no progress for 4 s: 0 of 1 pods are ready/,
  },
  {
    reason: 'MigrationFailed',
    spec: { image: image('bad-migration'), migrations: { deadline: '4s' } },
    says: /relation "no_such_table" does not exist/,
  },
  {
    reason: 'AbortRequested',
    spec: { image: image('1.1.0'), migrations: null, progressDeadline: null },
    says: /an abort was requested/,
    byHand: 'abort',
  },
];

describe('a delivery that is given up', function () {
  this.timeout(60_000);
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

  async function stableHasEverything(): Promise<void> {
    const { http } = await api.specOf<{ http: Http[] }>(VirtualServiceKind);
    const shares = http.flatMap(({ route }) => route.map(({ destination, weight }) => [destination, weight]));
    const { stableRevision } = api.status;
    assert.deepEqual(
      shares.map(([destination, weight]) => [(destination as { subset: string }).subset, weight]),
      [[stableRevision, 100]],
    );
  }

  it('is never the first of all: it says that the pod of its migrations waits for the image, and waits', async () => {
    await api.watch.until('the image is named', () => api.message().includes('ImagePullBackOff'));
    const { updateRevision = '' } = api.status;
    const what = new RegExp(
      `waiting for the migrations of ${updateRevision} \\(expand\\) since \\S+; ${updateRevision}-expand-\\w+: ` +
        'ImagePullBackOff: failed to pull image',
    );
    assert.match(api.message(), what);
    assert.match(api.message('MigrationsApplied'), /ImagePullBackOff: failed to pull image/);
    assert.equal(api.status.phase, 'Migrating');
    assert.equal(api.status.failed, undefined);

    await api.patch({ image: image('1.0.0') });
    await api.ready();
    await eventually('the Job that waited is gone', async () => (await jobsOf(updateRevision)).length === 0);
    load = new Load({
      port: sandbox.gatewayPort,
      host: `${api.namespace}.example.com`,
      caPath: sandbox.gateway.caPath,
      query: '{ __typename }',
      workers: 1,
    });
    load.start();
  });

  for (const { reason, spec, says, byHand } of CAUSES)
    it(`for ${reason} leaves everything to the stable revision, is not tried again by itself, and is by retry`, async () => {
      const before = api.status.history?.length ?? 0;
      await api.patch(spec);
      if (byHand) {
        await api.reason('CanaryHolding');
        await pcf(byHand);
      }
      await api.reason(reason);
      const { failed, delivery, history = [], updateRevision } = api.status;
      assert.equal(updateRevision, undefined);
      assert.equal(delivery?.failed?.reason, reason);
      assert.match(failed?.message ?? '', says);
      // What the case before left under way gave way to this one.
      const { revision, outcome, reason: why, by } = history[0] ?? {};
      assert.deepEqual([revision, outcome, why], [failed?.revision, 'Aborted', reason]);
      assert.equal(by, byHand ? 'pcf-cli' : 'pcf-operator');
      assert.ok(history.length > before);
      await stableHasEverything();

      // Another edit is looked at, and is no reason to try again.
      await api.patch({ canaryWeight: Number(api.watch.now()?.spec.canaryWeight) + 1 });
      await api.reason(reason);
      assert.deepEqual(api.status.failed, failed);

      await pcf('retry');
      await api.watch.until('tried again', ({ status } = {} as never) => {
        const isUnderWay = status?.updateRevision === failed?.revision && status?.failed === undefined;
        return isUnderWay || (status?.failed !== undefined && status.failed.at !== failed?.at);
      });
    });

  it('for an image that can not be pulled is aborted again when it still can not be, by what is seen now', async () => {
    await api.patch({ image: image('not-there'), canaryWeight: 50 });
    await api.reason('ImagePullFailed');
    const { at, revision = '' } = api.status.failed ?? {};
    await eventually('the Job that waited is gone', async () => (await jobsOf(revision)).length === 0);
    await pcf('retry');
    await api.watch.until(
      'given up again',
      (view) => view?.status?.failed !== undefined && view.status.failed.at !== at,
    );
    assert.equal(api.status.failed?.reason, 'ImagePullFailed');
    await api.patch({ image: image('1.0.0') });
    await api.ready();
  });

  it('fails no request', async () => {
    const { total } = load!;
    await load!.stop();
    load = undefined;
    assert.deepEqual(total.failures, []);
    assert.ok((total.served['1.0.0'] ?? 0) > 100);
  });
});

describe('a first revision that is not ready by progressDeadline', function () {
  this.timeout(60_000);
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

  it('is reported as Stalled, is kept, and keeps no other PcfApi waiting', async () => {
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
    assert.equal(api.watch.now()!.metadata.resourceVersion, resourceVersion, 'nothing is written meanwhile');
  });

  it('becomes Ready once a working image is applied', async () => {
    await api.patch({ image: image('1.0.0') });
    await api.ready();
  });
});
