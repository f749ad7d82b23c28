import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pino } from 'pino';
import { parse } from 'yaml';
import { evaluate } from '../../../operator/analysis/bounds.js';
import { analysisJobName } from '../../../operator/analysis/job-object.js';
import { planMetrics } from '../../../operator/analysis/plan-metrics.js';
import { JobProvider } from '../../../operator/analysis/providers/job.js';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { analysis as analysisSchema } from '../../../operator/api/v1alpha1/spec/analysis.js';
import { JobKind, PcfApiKind } from '../../../operator/resources/kinds.js';
import { MANAGED_SELECTOR } from '../../../operator/resources/metadata.js';
import type { KubeClient, KubeObject, ResourceType } from '../../../operator/runtime/kube-client.js';
import { SecretReader } from '../../../operator/runtime/outgoing/secrets.js';
import { ResourceCache } from '../../../operator/runtime/resource-cache.js';
import { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';
import { accepted, rejected } from './schema-cases.js';
import { CrdKind, clusterKind, NamespaceKind, TrialKind, trialCrd } from './trial-crd.js';

const namespace = 'analysis';

/** The first argument selects the outcome: succeed, fail or hang. */
const PROGRAM = `
const { writeFileSync } = require('node:fs');
const [what, file] = process.argv.slice(2);
if (file) writeFileSync(new URL(file), JSON.stringify(process.env));
if (what === 'hang') setInterval(() => {}, 1000);
else process.exitCode = what === 'succeed' ? 0 : 3;
`;

describe('analysis on a real control plane', () => {
  let sandbox: Sandbox;
  let client: KubeClient;
  let jobs: ResourceCache;
  let api: PcfApi;
  let watching: Promise<void> | undefined;
  const stop = new AbortController();
  const never = new AbortController().signal;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = new Sandbox('.sandbox/test-analysis');
    sandbox.cleanUp();
    await sandbox.startCluster();
    await sandbox.startNode(1_000);
    ({ client } = sandbox.parts);
    const folder = join(sandbox.node.imagesDir, 'smoke', '1');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'main.cjs'), PROGRAM);
    writeFileSync(join(folder, 'image.json'), JSON.stringify({ entrypoint: ['node', './main.cjs'] }));
    await client.create(CrdKind, parse(readFileSync('crds/pcf.dev_pcfapis.yaml', 'utf8')) as KubeObject);
    await client.create(CrdKind, trialCrd());
    await client.create(NamespaceKind, {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace },
    });
    await eventually('the namespace is ready', () =>
      sandbox.parts.kubectl.run(['get', 'sa', 'default', '-n', namespace]).then(
        () => true,
        () => false,
      ),
    );
    const spec = {
      image: 'registry.example.com/smoke:1',
      database: { secretRef: { name: 'pcf-api-secrets' } },
    };
    const created = {
      apiVersion: 'pcf.dev/v1alpha1',
      kind: 'PcfApi',
      metadata: { name: 'api', namespace },
      spec,
    };
    await eventually('PcfApi is served', async () => {
      api = (await client.create(PcfApiKind, created).catch(() => undefined)) as unknown as PcfApi;
      return api !== undefined;
    });
    await eventually('Trial is served', () =>
      client.list(TrialKind, { namespace }).then(
        () => true,
        () => false,
      ),
    );
    jobs = new ResourceCache(JobKind, client, pino({ level: 'silent' }), {
      namespaces: [namespace],
      labelSelector: MANAGED_SELECTOR,
    });
    watching = jobs.run(stop.signal);
    await jobs.synced;
  });

  after(async () => {
    stop.abort();
    await watching;
    await sandbox?.stop();
  });

  describe('Job metric', () => {
    let number = 0;

    function request(job: Record<string, unknown>) {
      const analysis = analysisSchema.parse({ metrics: [{ name: 'smoke', job }] });
      const metric = planMetrics(analysis)[0]!;
      number += 1;
      const subject = {
        ...{ namespace, name: 'api', revision: 'api-new', stableRevision: 'api-old' },
        ...{ image: api.spec.image, weight: 0 },
      };
      const due = { name: 'smoke', since: '2026-11-23T12:00:00.000Z', number };
      return { api, analysis, subject, metric, due, at: Date.now() };
    }

    async function measure(given: ReturnType<typeof request>, provider = new JobProvider(client, jobs)) {
      return evaluate(given.metric.spec, await provider.measure(given, never));
    }

    it('succeeds when the Job succeeds, and passes the image and the names of the revision to it', async () => {
      const file = join(sandbox.stateDir, 'env.json');
      // A URL, because the node maps paths below /tmp to paths of the container.
      const given = request({
        args: ['succeed', pathToFileURL(file).href],
        env: [{ name: 'CALLER', value: 'pcf' }],
      });
      const name = analysisJobName('api-new', given.due);
      assert.deepEqual(await measure(given), { outcome: 'Success', detail: `Job ${name} succeeded` });
      const env = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
      const { PCF_REVISION, PCF_STABLE_REVISION, PCF_NAMESPACE, PCF_NAME, CALLER } = env;
      assert.deepEqual(
        [PCF_REVISION, PCF_STABLE_REVISION, PCF_NAMESPACE, PCF_NAME, CALLER],
        ['api-new', 'api-old', namespace, 'api', 'pcf'],
      );
    });

    it('fails when the Job fails, and runs the Job once', async () => {
      const given = request({ args: ['fail'] });
      const name = analysisJobName('api-new', given.due);
      assert.deepEqual(await measure(given), {
        outcome: 'Failure',
        detail: `Job ${name} failed; see kubectl logs job/${name}`,
      });
      const job = () => jobs.get(namespace, name) as KubeObject & { status?: Record<string, unknown> };
      await eventually('the Job status counts its pod', () => job().status?.failed !== undefined);
      assert.deepEqual([job().status?.failed, job().status?.succeeded], [1, undefined]);
    });

    it('fails when the Job exceeds its timeout', async () => {
      const { outcome, detail } = await measure(request({ args: ['hang'], timeout: '2s' }));
      assert.equal(outcome, 'Failure');
      assert.match(detail!, /failed: it took too long/);
    });

    it('finds the running Job after a restart of the operator, and does not create it again', async () => {
      const given = request({ args: ['hang'], timeout: '3s' });
      const name = analysisJobName('api-new', given.due);
      const first = new AbortController();
      const aborted = new JobProvider(client, jobs).measure(given, first.signal);
      await eventually('the Job runs', () => jobs.get(namespace, name) !== undefined);
      const { uid } = jobs.get(namespace, name)!.metadata;
      first.abort(new Error('stopped by the test'));
      await assert.rejects(aborted, /stopped by the test/);
      const unaware = { get: () => undefined, on: jobs.on.bind(jobs) };
      const readings = await Promise.all([measure(given), measure(given, new JobProvider(client, unaware))]);
      assert.deepEqual(
        readings.map(({ outcome }) => outcome),
        ['Failure', 'Failure'],
      );
      assert.equal((await client.get(JobKind, namespace, name)).metadata.uid, uid);
      assert.deepEqual(await measure(given), readings[0]);
    });

    it('reports an error when the Job is deleted before it finishes', async () => {
      const given = request({ args: ['hang'] });
      const name = analysisJobName('api-new', given.due);
      const measuring = measure(given);
      await eventually('the Job runs', () => jobs.get(namespace, name) !== undefined);
      await client.delete(JobKind, namespace, name, { propagationPolicy: 'Background' });
      await assert.rejects(measuring, new RegExp(`Job ${name} was deleted before it finished`));
    });

    it('reports the error message when the API server rejects the Job', async () => {
      const given = request({ resources: { requests: { cpu: 2 }, limits: { cpu: 1 } } });
      await assert.rejects(
        measure(given),
        /the API server rejects Job .*must be less than or equal to cpu limit/,
      );
    });

    it('aborts the measurement with the operator, and sets the PcfApi as the owner of the Job', async () => {
      const given = request({ args: ['hang'] });
      const name = analysisJobName('api-new', given.due);
      const shutdown = new AbortController();
      const measuring = new JobProvider(client, jobs).measure(given, shutdown.signal);
      await eventually('the Job runs', () => jobs.get(namespace, name) !== undefined);
      shutdown.abort(new Error('this process is not the leader'));
      await assert.rejects(measuring, /not the leader/);
      const [owner] = jobs.get(namespace, name)!.metadata.ownerReferences!;
      assert.deepEqual([owner?.uid, owner?.controller], [api.metadata.uid, true]);
    });
  });

  describe('SecretReader', () => {
    const reader = () => new SecretReader(client);

    it('reads the current value of a Secret with the list permission of the operator', async () => {
      const SecretKind: ResourceType = { ...clusterKind('', 'v1', 'Secret', 'secrets'), namespaced: true };
      const metadata = { name: 'login', namespace };
      const stringData = { username: 'ann', password: 'hush' };
      await client.create(SecretKind, { apiVersion: 'v1', kind: 'Secret', metadata, stringData });
      const basicSecretRef = { name: 'login', usernameKey: 'username', passwordKey: 'password' };
      const { authorization } = await reader().authorization(namespace, { basicSecretRef });
      assert.equal(authorization, `Basic ${Buffer.from('ann:hush').toString('base64')}`);
      await client.patch(SecretKind, namespace, 'login', { stringData: { password: 'new' } });
      assert.equal(await reader().value(namespace, { name: 'login', key: 'password' }), 'new');
      await assert.rejects(
        reader().value(namespace, { name: 'login', key: 'token' }),
        /Secret analysis\/login has no key "token"/,
      );
      await assert.rejects(
        reader().value(namespace, { name: 'logins', key: 'token' }),
        /Secret analysis\/logins does not exist/,
      );
    });
  });

  describe('analysis schema', () => {
    async function check(spec: Record<string, unknown>): Promise<void> {
      const manifest = JSON.stringify({
        apiVersion: 'test.example.com/v1',
        kind: 'Trial',
        metadata: { name: 'trial', namespace },
        spec,
      });
      await sandbox.parts.kubectl.apply(manifest, '--dry-run=server');
    }

    for (const [what, spec] of Object.entries(accepted)) it(`accepts ${what}`, () => check(spec));

    for (const [what, spec, message] of rejected)
      it(`rejects ${what}`, () => assert.rejects(check(spec), message));

    it('accepts every field of the status that the operator writes', async () => {
      const counts = {
        since: '2026-11-23T12:00:00Z',
        measurements: 1,
        failures: 0,
        inconclusive: 0,
        errors: 0,
        inARow: 1,
      };
      const metric = {
        name: 'm',
        verdict: 'Running',
        message: 'm',
        bound: 'at most 1',
        value: '0.5',
        ...counts,
      };
      const analysis = {
        revision: 'r',
        startedAt: counts.since,
        step: 0,
        verdict: 'Running',
        message: 'm',
        metrics: [metric],
      };
      const object = {
        apiVersion: 'test.example.com/v1',
        kind: 'Trial',
        metadata: { name: 'status', namespace },
      };
      await client.create(TrialKind, { ...object, spec: {}, status: { analysis } });
    });

    it('has a description for each field in kubectl explain', async () => {
      const text = await sandbox.parts.kubectl.run(['explain', 'trial.spec.analysis.metrics.successRate']);
      assert.match(text.replace(/\s+/g, ' '), /HTTP status does not show GraphQL errors/); // kubectl wraps lines
      for (const field of ['interval', 'count', 'failureLimit', 'inconclusiveLimit', 'initialDelay']) {
        const words = await sandbox.parts.kubectl.run(['explain', `trial.spec.analysis.${field}`]);
        assert.match(words, /DESCRIPTION:\n {4}\w/, field);
      }
    });
  });
});
