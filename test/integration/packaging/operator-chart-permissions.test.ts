import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import { OPERATOR_CHART } from '../../../scripts/plain-manifests.js';
import { find, useCharts, variablesOf } from './rendered-charts.js';

describe('Helm chart of the operator: permissions', () => {
  const charts = useCharts();

  it('render a FlowSchema for leader election, except in a namespaced install', async () => {
    const schema = find(await charts.render(OPERATOR_CHART), 'FlowSchema')!;
    assert.equal(schema.metadata.name, 'pcf-system-pcf-pcf-operator-leader');
    for (const off of ['leaderElection.flowSchema=false', 'watchNamespaces={one}'])
      assert.equal(find(await charts.render(OPERATOR_CHART, '--set', off), 'FlowSchema'), undefined, off);
  });

  it('grant list and delete of Leases, in the namespace of the operator only, with several shards', async () => {
    const leaseVerbs = (objects: KubeObject[]) => {
      const { rules } = objects.find(
        ({ kind, metadata }) => kind === 'Role' && metadata.name.endsWith('-leader'),
      )!;
      return (rules as { verbs: string[] }[]).flatMap(({ verbs }) => verbs);
    };
    const priorityVerbs = (objects: KubeObject[]) => {
      const { rules } = find(objects, 'FlowSchema')!.spec as {
        rules: { resourceRules: { verbs: string[] }[] }[];
      };
      return rules.flatMap(({ resourceRules }) => resourceRules.flatMap(({ verbs }) => verbs));
    };
    for (const [shards, verbs] of [
      [1, ['get', 'create', 'update']],
      [6, ['get', 'create', 'update', 'list', 'delete']],
    ] as const) {
      const objects = await charts.render(OPERATOR_CHART, '--set', `shards=${shards}`);
      assert.deepEqual(leaseVerbs(objects), verbs);
      assert.deepEqual(priorityVerbs(objects), verbs);
    }
  });

  it('render no cluster-scoped object for a namespaced install', async () => {
    const objects = await charts.render(
      OPERATOR_CHART,
      ...['--set', 'watchNamespaces={one},rbac.aggregate=false,crds.install=false'],
    );
    assert.deepEqual(
      objects.filter(({ metadata }) => !metadata.namespace).map(({ kind }) => kind),
      [],
    );
  });

  it('allow egress to the targets of analysis and notifications in the NetworkPolicy', async () => {
    const policy = find(await charts.render(OPERATOR_CHART), 'NetworkPolicy')!.spec as {
      egress: { ports: { port: number }[] }[];
    };
    const ports = policy.egress.flatMap((rule) => rule.ports.map(({ port }) => port));
    for (const port of [443, 6443, 53, 9090, 3000]) assert.ok(ports.includes(port), `port ${port}`);
  });

  it('grant the operator permissions only in its watched namespaces', async () => {
    const rules = parse(readFileSync(`${OPERATOR_CHART}/files/rbac-rules.yaml`, 'utf8')) as unknown;
    const everywhere = await charts.render(OPERATOR_CHART, '--set', 'rbac.aggregate=false');
    assert.deepEqual(find(everywhere, 'ClusterRole')!.rules, rules);

    const some = await charts.render(
      OPERATOR_CHART,
      '--set',
      'watchNamespaces={one,two},rbac.aggregate=false',
    );
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
    assert.equal(rulesOf(await charts.render(OPERATOR_CHART)), undefined);
    const created = await charts.render(OPERATOR_CHART, '--set', url);
    const name = variablesOf(created).PCF_APPROVAL_KEY_SECRET!;
    assert.deepEqual(rulesOf(created), [
      { ...secrets, resourceNames: [name], verbs: ['list', 'patch'] },
      { ...secrets, verbs: ['create'] },
    ]);
    const given = await charts.render(OPERATOR_CHART, '--set', `${url},approvals.keySecret=link-keys`);
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
    assert.deepEqual(reviewers(await charts.render(OPERATOR_CHART)), []);
    const [role, ...more] = reviewers(await charts.render(OPERATOR_CHART, '--set', 'dashboardPort=8082'));
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
      const roles = (await charts.render(OPERATOR_CHART, ...args)).filter(({ kind }) => /Role$/.test(kind));
      const rules = roles.flatMap(({ rules = [] }) => rules as { resources: string[]; verbs: string[] }[]);
      return rules.filter(({ resources }) => resources.includes('secrets')).flatMap(({ verbs }) => verbs);
    };
    assert.deepEqual(await verbsOfSecrets(), ['list', 'watch']);
    const expected = ['list', 'watch', 'create', 'patch'];
    assert.deepEqual(await verbsOfSecrets('--set', 'rbac.rotateSigningKeys=true'), expected);
  });
});
