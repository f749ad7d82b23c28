import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import { OPERATOR_CHART, plainManifests } from '../../../scripts/plain-manifests.js';
import { objectsIn } from '../../support/cluster/helm.js';
import { find, type PodSpec, podSpecOf, useCharts } from './rendered-charts.js';

const API_CHART = 'deploy/helm/pcf-api';

describe('Helm chart templates', () => {
  const charts = useCharts();

  for (const chart of [OPERATOR_CHART, API_CHART]) {
    it(`${chart} passes helm lint --strict`, async () => {
      assert.match(await charts.helm.run(['lint', '--strict', chart]), /0 chart\(s\) failed/);
    });
  }

  it('deploy/k8s matches the output of npm run generate:manifests', async () => {
    for (const [path, text] of Object.entries(await plainManifests(charts.helm))) {
      assert.deepEqual(
        objectsIn(readFileSync(path, 'utf8')),
        objectsIn(text),
        `${path} is out of date: run npm run generate:manifests`,
      );
    }
  });

  it('run the operator as a non-root user with a read-only root file system and no capabilities', async () => {
    const { securityContext, containers } = podSpecOf(await charts.render(OPERATOR_CHART));
    assert.deepEqual(securityContext, {
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    assert.deepEqual(containers[0]!.securityContext, {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
  });

  it('run check-uninstall in a pre-delete hook, in a pod that the Service does not select', async () => {
    const objects = await charts.render(OPERATOR_CHART, '--set', 'watchNamespaces={one,two}');
    const job = find(objects, 'Job')!;
    assert.equal(job.metadata.annotations?.['helm.sh/hook'], 'pre-delete');
    const { template } = job.spec as { template: { metadata: KubeObject['metadata']; spec: PodSpec } };
    const operator = podSpecOf(objects);
    const [check] = template.spec.containers as (PodSpec['containers'][number] & { args: string[] })[];
    assert.deepEqual(check!.args, ['check-uninstall']);
    assert.deepEqual(check!.env, [{ name: 'PCF_NAMESPACE', value: 'one,two' }]);
    assert.equal(check!.image, operator.containers[0]!.image);
    assert.deepEqual(check!.securityContext, operator.containers[0]!.securityContext);
    assert.equal(template.spec.serviceAccountName, operator.serviceAccountName);
    const { selector } = find(objects, 'Service')!.spec as { selector: Record<string, string> };
    const labels = template.metadata.labels ?? {};
    assert.ok(Object.entries(selector).some(([key, value]) => labels[key] !== value));
    const { podSelector } = find(objects, 'NetworkPolicy')!.spec as {
      podSelector: {
        matchLabels: Record<string, string>;
        matchExpressions: { key: string; values: string[] }[];
      };
    };
    const { matchLabels, matchExpressions } = podSelector;
    for (const pod of [labels, { ...labels, ...selector }]) {
      assert.ok(Object.entries(matchLabels).every(([key, value]) => pod[key] === value));
      assert.ok(matchExpressions.every(({ key, values }) => values.includes(pod[key]!)));
    }
    assert.equal(
      find(await charts.render(OPERATOR_CHART, '--set', 'uninstallCheck.enabled=false'), 'Job'),
      undefined,
    );
  });

  it('keep the CRD on uninstall unless crds.keep is false', async () => {
    const crd = find(await charts.render(OPERATOR_CHART), 'CustomResourceDefinition')!;
    const generated = parse(readFileSync('crds/pcf.dev_pcfapis.yaml', 'utf8'), {
      version: '1.1',
    }) as KubeObject;
    assert.deepEqual(crd.metadata.annotations, { 'helm.sh/resource-policy': 'keep' });
    assert.deepEqual(crd.spec, generated.spec);
    const loose = find(
      await charts.render(OPERATOR_CHART, '--set', 'crds.keep=false'),
      'CustomResourceDefinition',
    )!;
    assert.equal(loose.metadata.annotations, undefined);
    const none = await charts.render(OPERATOR_CHART, '--set', 'crds.install=false');
    assert.equal(find(none, 'CustomResourceDefinition'), undefined);
  });

  it('prefer the digest of an image to its tag', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const objects = await charts.render(
      OPERATOR_CHART,
      '--set',
      `image.repository=r/o,image.tag=v1,image.digest=${digest}`,
    );
    assert.equal(podSpecOf(objects).containers[0]!.image, `r/o@${digest}`);
  });

  it('render the alerts and the dashboard from deploy/', async () => {
    const on =
      'metrics.prometheusRule.enabled=true,metrics.serviceMonitor.enabled=true,dashboard.enabled=true';
    const objects = await charts.render(
      OPERATOR_CHART,
      '--set',
      on,
      '--set',
      'dashboard.annotations.folder=PCF',
    );
    assert.deepEqual(
      find(objects, 'PrometheusRule')!.spec,
      parse(readFileSync('deploy/alerts/pcf.rules.yaml', 'utf8')),
    );
    const { data, metadata } = find(objects, 'ConfigMap') as KubeObject & { data: Record<string, string> };
    assert.deepEqual(
      JSON.parse(data['pcf.json']!),
      JSON.parse(readFileSync('deploy/dashboards/pcf.json', 'utf8')),
    );
    assert.equal(metadata.labels?.grafana_dashboard, '1');
    assert.ok(find(objects, 'ServiceMonitor'));
  });

  it('render absolute runbook URLs with runbookBase', async () => {
    const on =
      'metrics.prometheusRule.enabled=true,metrics.prometheusRule.runbookBase=https://git.example.com/pcf/';
    const text = JSON.stringify(find(await charts.render(OPERATOR_CHART, '--set', on), 'PrometheusRule'));
    const urls = [...text.matchAll(/"runbook_url":"([^"]+)"/g)].map(([, url]) => url!);
    assert.ok(urls.length > 10);
    for (const url of urls) assert.match(url, /^https:\/\/git\.example\.com\/pcf\/docs\/alerts\.md#\w+$/);
    await charts.refused(OPERATOR_CHART, 'metrics.prometheusRule.runbookBase=docs', /runbookBase/);
  });

  it('reject invalid values', async () => {
    await charts.refused(OPERATOR_CHART, 'replica=3', /additional properties 'replica' not allowed/);
    await charts.refused(OPERATOR_CHART, 'logLevel=loud', /logLevel/);
    await charts.refused(OPERATOR_CHART, 'concurrency=0', /concurrency/);
    await charts.refused(OPERATOR_CHART, 'resync=often', /resync/);
    await charts.refused(OPERATOR_CHART, 'port=80', /port/);
    await charts.refused(
      OPERATOR_CHART,
      'kubeApi.qps=50,kubeApi.burst=10',
      /burst: it must not be below kubeApi\.qps/,
    );
    await charts.refused(OPERATOR_CHART, 'leaderElection.leaseDuration=15', /leaseDuration/);
    await charts.refused(OPERATOR_CHART, 'leaderElection.enabled=false', /set replicas=1/);
    await charts.refused(
      OPERATOR_CHART,
      'leaderElection.enabled=false,replicas=1,shards=2',
      /several shards need leaderElection\.enabled/,
    );
    await charts.refused(OPERATOR_CHART, 'approvals.url=http://approvals.example.com', /url/);
    await charts.refused(
      OPERATOR_CHART,
      'approvals.url=https://approvals.example.com,approvals.userHeader=X-User',
      /approvals\.from: name the authenticating proxy/,
    );
    await charts.refused(
      OPERATOR_CHART,
      'approvals.url=https://approvals.example.com,approvals.userHeader=X-User,networkPolicy.enabled=false,approvals.from[0].podSelector.matchLabels.app=proxy',
      /approvals\.userHeader: it needs networkPolicy\.enabled/,
    );
    await charts.refused(OPERATOR_CHART, 'serviceAccount.create=false', /say which account to use/);
    await charts.refused(API_CHART, 'canaryWieght=10', /additional properties 'canaryWieght' not allowed/);
    await charts.refused(API_CHART, 'canaryWeight=101', /canaryWeight/);
    await charts.refused(API_CHART, 'traffic.provider=Istoi', /provider/);
    await charts.refused(API_CHART, 'database.secretRef=null', /secretRef/);
  });

  it('render a PcfApi from the values, without chart-only values in its spec', async () => {
    const [api, ...others] = await charts.render(
      API_CHART,
      '--set',
      'canaryWeight=10,labels.team=payments,nameOverride=shop',
    );
    assert.deepEqual(others, []);
    assert.equal(api!.metadata.name, 'shop');
    assert.equal(api!.metadata.labels?.team, 'payments');
    assert.deepEqual(api!.spec, {
      canaryWeight: 10,
      database: { secretRef: { name: 'pcf-api-secrets' } },
      environment: 'production',
      image: 'registry.example.com/pcf-api:0.1.0',
    });
  });

  it('accept the spec of every sample as values', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pcf-values-'));
    try {
      for (const name of readdirSync('deploy/samples').filter((name) => name.endsWith('.yaml'))) {
        const [sample] = objectsIn(readFileSync(`deploy/samples/${name}`, 'utf8'));
        writeFileSync(`${folder}/values.json`, JSON.stringify(sample!.spec));
        const [api] = await charts.render(API_CHART, '-f', `${folder}/values.json`);
        for (const [field, value] of Object.entries(sample!.spec as object))
          if (field !== 'database')
            assert.deepEqual((api!.spec as Record<string, unknown>)[field], value, name);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
