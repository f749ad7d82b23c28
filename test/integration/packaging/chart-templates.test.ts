import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import type { Helm } from '../../../sandbox/helm/helm.js';
import { OPERATOR_CHART, plainManifests } from '../../../scripts/plain-manifests.js';
import { HELM_TIMEOUT_MS, objectsIn, testHelm } from '../../support/cluster/helm.js';

const API_CHART = 'deploy/helm/pcf-api';

interface PodSpec {
  serviceAccountName: string;
  securityContext: object;
  containers: { image: string; env: { name: string; value?: string }[]; securityContext: object }[];
}

describe('Helm chart templates', () => {
  let helm: Helm;
  let remove = () => {};

  before(async function () {
    this.timeout(HELM_TIMEOUT_MS);
    ({ helm, remove } = await testHelm());
  });

  after(() => remove());

  const render = async (chart: string, ...flags: string[]) =>
    objectsIn(await helm.run(['template', 'pcf', chart, '--namespace', 'pcf-system', ...flags]));
  const refused = (chart: string, set: string, message: RegExp) =>
    assert.rejects(render(chart, '--set', set), (error: Error) => {
      assert.match(error.message, message);
      return true;
    });
  const find = (objects: KubeObject[], kind: string) => objects.find((object) => object.kind === kind);
  const podSpecOf = (objects: KubeObject[]) =>
    (find(objects, 'Deployment')!.spec as { template: { spec: PodSpec } }).template.spec;

  for (const chart of [OPERATOR_CHART, API_CHART]) {
    it(`${chart} passes helm lint --strict`, async () => {
      assert.match(await helm.run(['lint', '--strict', chart]), /0 chart\(s\) failed/);
    });
  }

  it('deploy/k8s matches the output of npm run generate:manifests', async () => {
    for (const [path, text] of Object.entries(await plainManifests(helm))) {
      assert.deepEqual(
        objectsIn(readFileSync(path, 'utf8')),
        objectsIn(text),
        `${path} is out of date: run npm run generate:manifests`,
      );
    }
  });

  it('run the operator as a non-root user with a read-only root file system and no capabilities', async () => {
    const { securityContext, containers } = podSpecOf(await render(OPERATOR_CHART));
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
    const objects = await render(OPERATOR_CHART, '--set', 'watchNamespaces={one,two}');
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
      find(await render(OPERATOR_CHART, '--set', 'uninstallCheck.enabled=false'), 'Job'),
      undefined,
    );
  });

  /** The environment variables of the operator's container, by name. */
  const variablesOf = (objects: KubeObject[]) => {
    const { env } = podSpecOf(objects).containers[0]!;
    return Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])));
  };
  /** The settings that the operator reads from environment variables. */
  const settingsOf = (env: Record<string, string>) => {
    const code = `import('./dist/operator/settings.js').then(({ readSettings }) =>
      console.log(JSON.stringify(readSettings(['node', 'pcf-operator']))))`;
    const options = { encoding: 'utf8', env: { PATH: process.env.PATH, ...env } } as const;
    return JSON.parse(execFileSync(process.execPath, ['--eval', code], options)) as Record<string, unknown>;
  };

  it("render the operator's default settings by default", async () => {
    assert.deepEqual(settingsOf(variablesOf(await render(OPERATOR_CHART))), settingsOf({}));
  });

  it('have a value for each setting of the operator', async () => {
    const help = execFileSync(process.execPath, ['dist/bundle/operator/main.js', '--help'], {
      encoding: 'utf8',
    });
    const known = new Set([...help.matchAll(/\bPCF_[A-Z_]+/g)].map(([name]) => name));
    const values = [
      'watchNamespaces={one,two},logLevel=debug,concurrency=16,resync=0,kubeApi.qps=50,kubeApi.burst=70',
      'leaderElection.leaseDuration=60s,leaderElection.renewDeadline=40s,leaderElection.retryPeriod=5s',
      'host=::,port=9000,dashboardPort=9001,clusterWindows=true',
      'approvals.url=https://approvals.example.com/pcf,approvals.port=9002,approvals.keySecret=link-keys',
      'approvals.userHeader=X-Forwarded-Email,approvals.from[0].podSelector.matchLabels.app=proxy',
    ];
    const variables = variablesOf(await render(OPERATOR_CHART, '--set', values.join(',')));
    assert.deepEqual(new Set([...Object.keys(variables), 'PCF_NO_LEADER_ELECTION']), known);
    assert.deepEqual(settingsOf(variables), {
      namespaces: ['one', 'two'],
      leaseNamespace: 'pcf-system',
      leaderElection: true,
      clusterWindows: true,
      leaseDurationMs: 60_000,
      renewDeadlineMs: 40_000,
      retryPeriodMs: 5_000,
      concurrency: 16,
      resyncMs: 0,
      kubeApiQps: 50,
      kubeApiBurst: 70,
      host: '::',
      port: 9000,
      dashboardPort: 9001,
      approvals: {
        publicUrl: 'https://approvals.example.com/pcf',
        port: 9002,
        keySecret: 'link-keys',
        userHeader: 'X-Forwarded-Email',
      },
      logLevel: 'debug',
    });
    const alone = await render(OPERATOR_CHART, '--set', 'leaderElection.enabled=false,replicas=1');
    assert.equal(settingsOf(variablesOf(alone)).leaderElection, false);
  });

  it('enable traces with tracing.endpoint, and allow egress to its port', async () => {
    const ports = (objects: KubeObject[]) =>
      (find(objects, 'NetworkPolicy')!.spec as { egress: { ports: { port: number }[] }[] }).egress.flatMap(
        (rule) => rule.ports.map(({ port }) => port),
      );
    const before = ports(await render(OPERATOR_CHART));
    for (const [endpoint, port] of [
      ['http://collector:4318', 4318],
      ['https://collector.example.com/otlp', 443],
    ] as const) {
      const values = `tracing.endpoint=${endpoint},tracing.sampleRatio=0.5`;
      const objects = await render(OPERATOR_CHART, '--set', values);
      const url = `${endpoint}/v1/traces`;
      assert.deepEqual(settingsOf(variablesOf(objects)).tracing, { url, sampleRatio: 0.5 });
      assert.equal(ports(objects).length, before.length + 1);
      assert.equal(ports(objects).filter((one) => one === port).length, port === 443 ? 2 : 1);
    }
  });

  it('render a FlowSchema for leader election, except in a namespaced install', async () => {
    const schema = find(await render(OPERATOR_CHART), 'FlowSchema')!;
    assert.equal(schema.metadata.name, 'pcf-system-pcf-pcf-operator-leader');
    for (const off of ['leaderElection.flowSchema=false', 'watchNamespaces={one}'])
      assert.equal(find(await render(OPERATOR_CHART, '--set', off), 'FlowSchema'), undefined, off);
  });

  it('render no cluster-scoped object for a namespaced install', async () => {
    const objects = await render(
      OPERATOR_CHART,
      ...['--set', 'watchNamespaces={one},rbac.aggregate=false,crds.install=false'],
    );
    assert.deepEqual(
      objects.filter(({ metadata }) => !metadata.namespace).map(({ kind }) => kind),
      [],
    );
  });

  it('allow egress to the targets of analysis and notifications in the NetworkPolicy', async () => {
    const policy = find(await render(OPERATOR_CHART), 'NetworkPolicy')!.spec as {
      egress: { ports: { port: number }[] }[];
    };
    const ports = policy.egress.flatMap((rule) => rule.ports.map(({ port }) => port));
    for (const port of [443, 6443, 53, 9090, 3000]) assert.ok(ports.includes(port), `port ${port}`);
  });

  it('grant the operator permissions only in its watched namespaces', async () => {
    const rules = parse(readFileSync(`${OPERATOR_CHART}/files/rbac-rules.yaml`, 'utf8')) as unknown;
    const everywhere = await render(OPERATOR_CHART, '--set', 'rbac.aggregate=false');
    assert.deepEqual(find(everywhere, 'ClusterRole')!.rules, rules);

    const some = await render(OPERATOR_CHART, '--set', 'watchNamespaces={one,two},rbac.aggregate=false');
    assert.equal(find(some, 'ClusterRole'), undefined);
    assert.equal(find(some, 'ClusterRoleBinding'), undefined);
    const roles = some.filter(({ kind, metadata }) => kind === 'Role' && metadata.namespace !== 'pcf-system');
    assert.deepEqual(
      roles.map(({ metadata }) => metadata.namespace),
      ['one', 'two'],
    );
    for (const role of roles) assert.deepEqual(role.rules, rules);
  });

  it('grant write access to the Secret with the keys of approval links only if the operator creates it', async () => {
    const rulesOf = (objects: KubeObject[]) =>
      objects.find(({ kind, metadata }) => kind === 'Role' && metadata.name.endsWith('-approvals'))?.rules;
    const secrets = { apiGroups: [''], resources: ['secrets'] };
    const url = 'approvals.url=https://approvals.example.com';
    assert.equal(rulesOf(await render(OPERATOR_CHART)), undefined);
    const created = await render(OPERATOR_CHART, '--set', url);
    const name = variablesOf(created).PCF_APPROVAL_KEY_SECRET!;
    assert.deepEqual(rulesOf(created), [
      { ...secrets, resourceNames: [name], verbs: ['list', 'patch'] },
      { ...secrets, verbs: ['create'] },
    ]);
    const given = await render(OPERATOR_CHART, '--set', `${url},approvals.keySecret=link-keys`);
    assert.deepEqual(rulesOf(given), [{ ...secrets, resourceNames: ['link-keys'], verbs: ['list'] }]);
    const policy = find(given, 'NetworkPolicy')!.spec as { ingress: { ports: { port: string }[] }[] };
    assert.deepEqual(
      policy.ingress.flatMap(({ ports }) => ports.map(({ port }) => port)),
      ['http', 'approvals'],
    );
  });

  it('grant TokenReview and SubjectAccessReview only with dashboardPort', async () => {
    const reviewers = (objects: KubeObject[]) =>
      objects.filter(
        ({ kind, rules }) => kind === 'ClusterRole' && JSON.stringify(rules).includes('reviews'),
      );
    assert.deepEqual(reviewers(await render(OPERATOR_CHART)), []);
    const [role, ...more] = reviewers(await render(OPERATOR_CHART, '--set', 'dashboardPort=8082'));
    assert.deepEqual(more, []);
    assert.deepEqual(
      (role!.rules as { resources: string[]; verbs: string[] }[]).map(({ resources, verbs }) => [
        ...resources,
        ...verbs,
      ]),
      [
        ['tokenreviews', 'create'],
        ['subjectaccessreviews', 'create'],
      ],
    );
  });

  it('grant the operator no wildcard, and no write access to Secrets or roles', () => {
    type Rule = { apiGroups: string[]; resources: string[]; verbs: string[] };
    const rules = parse(readFileSync(`${OPERATOR_CHART}/files/rbac-rules.yaml`, 'utf8')) as Rule[];
    for (const { apiGroups, resources, verbs } of rules) {
      assert.ok(![...apiGroups, ...resources, ...verbs].includes('*'), `a wildcard for ${resources}`);
      assert.ok(!apiGroups.includes('rbac.authorization.k8s.io'));
      if (resources.includes('secrets')) assert.deepEqual(verbs, ['list', 'watch']);
    }
  });

  it('grant create and patch of Secrets only with rbac.rotateSigningKeys', async () => {
    const verbsOfSecrets = async (...args: string[]) => {
      const roles = (await render(OPERATOR_CHART, ...args)).filter(({ kind }) => /Role$/.test(kind));
      const rules = roles.flatMap(({ rules = [] }) => rules as { resources: string[]; verbs: string[] }[]);
      return rules.filter(({ resources }) => resources.includes('secrets')).flatMap(({ verbs }) => verbs);
    };
    assert.deepEqual(await verbsOfSecrets(), ['list', 'watch']);
    const expected = ['list', 'watch', 'create', 'patch'];
    assert.deepEqual(await verbsOfSecrets('--set', 'rbac.rotateSigningKeys=true'), expected);
  });

  it('keep the CRD on uninstall unless crds.keep is false', async () => {
    const crd = find(await render(OPERATOR_CHART), 'CustomResourceDefinition')!;
    const generated = parse(readFileSync('crds/pcf.dev_pcfapis.yaml', 'utf8'), {
      version: '1.1',
    }) as KubeObject;
    assert.deepEqual(crd.metadata.annotations, { 'helm.sh/resource-policy': 'keep' });
    assert.deepEqual(crd.spec, generated.spec);
    const loose = find(await render(OPERATOR_CHART, '--set', 'crds.keep=false'), 'CustomResourceDefinition')!;
    assert.equal(loose.metadata.annotations, undefined);
    const none = await render(OPERATOR_CHART, '--set', 'crds.install=false');
    assert.equal(find(none, 'CustomResourceDefinition'), undefined);
  });

  it('prefer the digest of an image to its tag', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const objects = await render(
      OPERATOR_CHART,
      '--set',
      `image.repository=r/o,image.tag=v1,image.digest=${digest}`,
    );
    assert.equal(podSpecOf(objects).containers[0]!.image, `r/o@${digest}`);
  });

  it('render the alerts and the dashboard from deploy/', async () => {
    const on =
      'metrics.prometheusRule.enabled=true,metrics.serviceMonitor.enabled=true,dashboard.enabled=true';
    const objects = await render(OPERATOR_CHART, '--set', on, '--set', 'dashboard.annotations.folder=PCF');
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
    const text = JSON.stringify(find(await render(OPERATOR_CHART, '--set', on), 'PrometheusRule'));
    const urls = [...text.matchAll(/"runbook_url":"([^"]+)"/g)].map(([, url]) => url!);
    assert.ok(urls.length > 10);
    for (const url of urls) assert.match(url, /^https:\/\/git\.example\.com\/pcf\/docs\/alerts\.md#\w+$/);
    await refused(OPERATOR_CHART, 'metrics.prometheusRule.runbookBase=docs', /runbookBase/);
  });

  it('reject invalid values', async () => {
    await refused(OPERATOR_CHART, 'replica=3', /additional properties 'replica' not allowed/);
    await refused(OPERATOR_CHART, 'logLevel=loud', /logLevel/);
    await refused(OPERATOR_CHART, 'concurrency=0', /concurrency/);
    await refused(OPERATOR_CHART, 'resync=often', /resync/);
    await refused(OPERATOR_CHART, 'port=80', /port/);
    await refused(
      OPERATOR_CHART,
      'kubeApi.qps=50,kubeApi.burst=10',
      /burst: it must not be below kubeApi\.qps/,
    );
    await refused(OPERATOR_CHART, 'leaderElection.leaseDuration=15', /leaseDuration/);
    await refused(OPERATOR_CHART, 'leaderElection.enabled=false', /set replicas=1/);
    await refused(OPERATOR_CHART, 'approvals.url=http://approvals.example.com', /url/);
    await refused(
      OPERATOR_CHART,
      'approvals.url=https://approvals.example.com,approvals.userHeader=X-User',
      /approvals\.from: name the authenticating proxy/,
    );
    await refused(
      OPERATOR_CHART,
      'approvals.url=https://approvals.example.com,approvals.userHeader=X-User,networkPolicy.enabled=false,approvals.from[0].podSelector.matchLabels.app=proxy',
      /approvals\.userHeader: it needs networkPolicy\.enabled/,
    );
    await refused(OPERATOR_CHART, 'serviceAccount.create=false', /say which account to use/);
    await refused(API_CHART, 'canaryWieght=10', /additional properties 'canaryWieght' not allowed/);
    await refused(API_CHART, 'canaryWeight=101', /canaryWeight/);
    await refused(API_CHART, 'traffic.provider=Istoi', /provider/);
    await refused(API_CHART, 'database.secretRef=null', /secretRef/);
  });

  it('render a PcfApi from the values, without chart-only values in its spec', async () => {
    const [api, ...others] = await render(
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
        const [api] = await render(API_CHART, '-f', `${folder}/values.json`);
        for (const [field, value] of Object.entries(sample!.spec as object))
          if (field !== 'database')
            assert.deepEqual((api!.spec as Record<string, unknown>)[field], value, name);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
