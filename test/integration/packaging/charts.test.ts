import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { PcfApiKind } from '../../../operator/resources/kinds.js';
import type { Helm } from '../../../sandbox/helm/helm.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { HELM_TIMEOUT_MS, objectsIn, testHelm } from '../../support/cluster/helm.js';
import { eventually, image } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';

const OPERATOR_CHART = 'deploy/helm/pcf-operator';
const API_CHART = 'deploy/helm/pcf-api';
const EVERYTHING = [
  ...['metrics.serviceMonitor.enabled=true', 'metrics.prometheusRule.enabled=true', 'dashboard.enabled=true'],
  'crds.keep=false,dashboardPort=8082,approvals.url=https://approvals.example.com',
].join(',');

interface PcfApiView {
  spec: { canaryWeight?: number; image: string };
  status?: { phase?: string; traffic?: { effectiveWeight: number } };
}

describe('Helm charts on a real API server', () => {
  let sandbox: Sandbox;
  let helm: Helm;
  let remove = () => {};

  before(async function () {
    this.timeout(START_TIMEOUT_MS + HELM_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    ({ helm, remove } = await testHelm(sandbox.parts.cluster.kubeconfigPath));
  });

  after(() => remove());

  /** Server-side dry run: admission runs, and unknown fields are rejected. */
  const dryRun = (text: string) =>
    sandbox.parts.kubectl.run(
      ['apply', '--server-side', '--dry-run=server', '--validate=strict', '--force-conflicts', '-f', '-'],
      text,
    );

  it('the API server accepts each object of deploy/k8s', async () => {
    const files = readdirSync('deploy/k8s', { recursive: true, encoding: 'utf8' });
    // kustomization.yaml is input for kubectl, not an object.
    const manifests = files.filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml');
    for (const file of manifests) {
      const text = readFileSync(`deploy/k8s/${file}`, 'utf8');
      const accepted = (await dryRun(text)).trim().split('\n');
      assert.equal(accepted.length, objectsIn(text).length, `${file}: ${accepted.join(', ')}`);
    }
  });

  it('the API server accepts pcf-operator with all options, and with watchNamespaces', async () => {
    const namespace = await newTenant(sandbox, 'chart');
    const variants = [
      EVERYTHING,
      `watchNamespaces={${namespace}},rbac.aggregate=false`,
      'podDisruptionBudget.maxUnavailable=50%,networkPolicy.metricsFrom=null,priorityClassName=system-cluster-critical',
    ];
    for (const values of variants) {
      const text = await helm.run([
        ...['template', 'pcf-operator', OPERATOR_CHART, '--namespace', 'pcf-system', '--set', values],
      ]);
      await dryRun(text);
    }
  });

  it("the operator's pods pass the restricted Pod Security Standard", async () => {
    const namespace = await newTenant(sandbox, 'restricted');
    const { kubectl } = sandbox.parts;
    await kubectl.run(['label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce=restricted']);
    const text = await helm.run(['template', 'op', OPERATOR_CHART, '--namespace', namespace]);
    const deployment = objectsIn(text).find(({ kind }) => kind === 'Deployment')!;
    const { metadata, spec } = (deployment.spec as { template: { metadata: object; spec: object } }).template;
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, name: 'op', namespace },
      spec: { ...spec, serviceAccountName: 'default' },
    };
    await eventually('the default service account exists', async () =>
      kubectl.run(['get', 'serviceaccount', 'default', '-n', namespace]).then(
        () => true,
        () => false,
      ),
    );
    assert.match(await kubectl.apply([pod], '--dry-run=server'), /pod\/op created/);
  });

  it('helm install creates a PcfApi that becomes Ready, upgrade changes its weight, uninstall deletes it', async () => {
    const namespace = await newTenant(sandbox, 'helm');
    const get = async () =>
      (await sandbox.parts.client.get(PcfApiKind, namespace, 'pcf-api')) as unknown as PcfApiView;
    const awaitPhase = (wanted: string) =>
      eventually(`pcf-api is ${wanted}`, async () => (await get()).status?.phase === wanted, 60_000);
    const set = (...values: string[]) => ['--namespace', namespace, '--set', values.join(',')];

    const output = await helm.run([
      ...['install', 'pcf-api', API_CHART],
      ...set(`image=${image('1.0.0')}`, 'environment=development', 'replicas=1'),
      ...[
        '--set',
        'traffic.provider=Istio,traffic.hosts={helm.example.com},traffic.gateways={istio-system/public}',
      ],
    ]);
    assert.match(output, /The PcfApi pcf-api is applied/);
    await awaitPhase('Ready');

    const upgrade = (...values: string[]) =>
      helm.run(['upgrade', 'pcf-api', API_CHART, '--reuse-values', ...set(...values)]);
    await upgrade(`image=${image('1.1.0')}`, 'canaryWeight=0');
    await awaitPhase('Canary');
    await upgrade('canaryWeight=25');
    await eventually(
      'the effective weight is 25',
      async () => (await get()).status?.traffic?.effectiveWeight === 25,
      60_000,
    );
    assert.equal((await get()).spec.image, image('1.1.0'), 'the upgrade reuses the values of the release');

    await helm.run(['rollback', 'pcf-api', '1', '--namespace', namespace]);
    assert.deepEqual((await get()).spec.image, image('1.0.0'));
    await awaitPhase('Ready');

    await helm.run(['uninstall', 'pcf-api', '--namespace', namespace, '--wait', '--timeout', '60s']);
    await assert.rejects(get());
  });

  it('the API server rejects an invalid PcfApi that values.schema.json accepts', async () => {
    const namespace = await newTenant(sandbox, 'helm-bad');
    await assert.rejects(
      helm.run([
        ...['install', 'pcf-api', API_CHART, '--namespace', namespace],
        ...['--set', 'components.worker.enabled=true'],
      ]),
      /redis/,
    );
  });
});
