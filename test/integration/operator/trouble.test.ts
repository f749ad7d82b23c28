import assert from 'node:assert/strict';
import {
  DeploymentKind,
  GatewayKind,
  HttpRouteKind,
  JobKind,
  SecretKind,
  VirtualServiceKind,
} from '../../../operator/resources/kinds.js';
import type { ResourceType } from '../../../operator/runtime/kube-client.js';
import { customResourceDefinitions } from '../../../sandbox/crds.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { kubectlPcf } from '../../support/cluster/kubectl-pcf.js';
import { eventually, image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';

const CrdKind: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
};

describe('the operator with a faulty environment or spec', () => {
  let sandbox: Sandbox;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
  });

  it('reports a missing Secret, starts no pod, and continues within 1 s after the Secret is complete', async () => {
    const namespace = await newTenant(sandbox, 'secret');
    const { client } = sandbox.parts;
    const secret = await client.get(SecretKind, namespace, 'pcf-api-secrets');
    await client.delete(SecretKind, namespace, 'pcf-api-secrets');
    const api = await TestApi.create(sandbox, namespace);
    await api.reason('SecretMissing');
    assert.match(api.message(), new RegExp(`Secret ${namespace}/pcf-api-secrets does not exist`));
    assert.deepEqual(await api.owned(DeploymentKind), []);
    assert.deepEqual(await api.owned(JobKind), []);

    const {
      resourceVersion: _,
      uid: __,
      managedFields: ___,
      creationTimestamp: ____,
      ...metadata
    } = secret.metadata;
    const { 'database-url': url } = secret.data as Record<string, string>;
    await client.create(SecretKind, { ...secret, metadata, data: { 'other-key': url } });
    await api.watch.until('the missing key is named', () =>
      api.message().includes('has no key "database-url"'),
    );

    const completedAt = performance.now();
    await client.patch(SecretKind, namespace, 'pcf-api-secrets', { data: { 'database-url': url } });
    await api.watch.until(
      'the Secret is no longer missing',
      (view) => view?.status?.reason !== 'SecretMissing',
    );
    assert.ok(
      performance.now() - completedAt < 1_000,
      `it took ${Math.round(performance.now() - completedAt)} ms`,
    );
    await api.ready();
    await api.remove();
  }).timeout(90_000);

  it('reports why pods of a Job or Deployment cannot be created, and continues once they can', async () => {
    const namespace = await newTenant(sandbox, 'quota');
    const { kubectl, client } = sandbox.parts;
    const allow = (pods: number) =>
      kubectl.apply(
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'ResourceQuota',
          metadata: { name: 'pods', namespace },
          spec: { hard: { pods: String(pods) } },
        }),
      );
    const QuotaKind = { ...SecretKind, kind: 'ResourceQuota', plural: 'resourcequotas' };
    await allow(0);
    await eventually('the quota is in effect', async () => {
      const quota = (await client.get(QuotaKind, namespace, 'pods')) as { status?: { hard?: object } };
      return quota.status?.hard !== undefined;
    });
    const api = await TestApi.create(sandbox, namespace, { progressDeadline: '10m' });
    await api.watch.until('reported', () => api.message('Degraded').includes('exceeded quota'));
    const ofJob = /pods of Job api-\S+-expand cannot be created: pod is forbidden: exceeded quota: pods/;
    assert.match(api.message('Degraded'), ofJob);
    assert.match(api.message(), ofJob);
    assert.match(api.message('MigrationsApplied'), ofJob);
    const status = await kubectlPcf(sandbox, ['migrate', 'status', 'api', '-n', namespace]);
    assert.match(status.out, /Pending/);
    assert.doesNotMatch(status.out, /Running/);

    await allow(2);
    await api.ready(90_000);
    assert.equal(api.message('Degraded'), 'no fault requires action');
    await api.patch({ replicas: 4 });
    const ofDeployment =
      /pods of Deployment api-\S+ cannot be created: pod is forbidden: exceeded quota: pods/;
    await api.watch.until('reported', () => ofDeployment.test(api.message()));
    assert.match(api.message('Degraded'), ofDeployment);
    await api.remove();
  }).timeout(180_000);

  it('reports an unknown setting of the API, and starts no pod', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'config'), {
      config: { logging: { levle: 'debug' } },
    });
    await api.reason('MigrationRefused');
    assert.match(api.message(), /logging\.levle/);
    assert.equal(api.status.conditions?.find(({ type }) => type === 'Stalled')?.status, 'True');
    assert.deepEqual(await api.owned(DeploymentKind), []);
    await api.patch({ config: { logging: { levle: null, level: 'debug' } } });
    await api.ready();
    await api.remove();
  }).timeout(90_000);

  it('does not change the stable revision when a migration fails, and reports the PostgreSQL error', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'migration'));
    await api.ready();
    const before = (await api.owned(DeploymentKind)).map(({ metadata }) => metadata.uid);
    await api.patch({ image: image('bad-migration'), canaryWeight: 50 });
    await api.reason('MigrationFailed');
    assert.match(api.message(), /relation "no_such_table" does not exist/);
    assert.equal(api.status.traffic?.effectiveWeight, 0);
    assert.deepEqual(
      (await api.owned(DeploymentKind)).map(({ metadata }) => metadata.uid),
      before,
    );
    await api.patch({ image: image('1.0.0') });
    await api.ready();
    await api.remove();
  }).timeout(90_000);

  it('reports a traffic provider that is not installed, and continues once it is installed', async () => {
    const { client } = sandbox.parts;
    const name = 'httproutes.gateway.networking.k8s.io';
    await client.delete(CrdKind, undefined, name);
    const namespace = await newTenant(sandbox, 'provider');
    const traffic = {
      provider: 'GatewayAPI',
      hosts: [`${namespace}.example.com`],
      gateways: ['gateways/public'],
    };
    // The operator detects the missing CRD when its watch is closed, or at its next request.
    const api = await TestApi.create(sandbox, namespace, { traffic });
    await api.reason('TrafficProviderMissing');
    assert.match(api.message(), /the cluster has no HTTPRoute/);
    const { out } = await kubectlPcf(sandbox, ['doctor', api.name, '-n', namespace]);
    assert.match(out, /✗ +kinds +the cluster has no HTTPRoute \(gateway\.networking\.k8s\.io\)/);
    const crds = await customResourceDefinitions('gatewayApi');
    await client.create(CrdKind, crds.find(({ metadata }) => metadata.name === name)!);
    await api.ready();
    assert.ok(await api.get(HttpRouteKind));
    await api.remove();
  }).timeout(120_000);

  it('starts no pod behind a Gateway whose class lacks a feature, and continues once it has it', async () => {
    const namespace = await newTenant(sandbox, 'features');
    const { client, kubectl } = sandbox.parts;
    const apiVersion = 'gateway.networking.k8s.io/v1';
    const gatewayClassName = 'without-mirrors';
    const supporting = (...names: string[]) =>
      kubectl.run([
        ...['patch', 'gatewayclass', gatewayClassName, '--subresource=status', '--type=merge', '-p'],
        JSON.stringify({ status: { supportedFeatures: names.map((name) => ({ name })) } }),
      ]);
    const controllerName = 'example.com/gateway-controller';
    await kubectl.apply([
      { apiVersion, kind: 'GatewayClass', metadata: { name: gatewayClassName }, spec: { controllerName } },
    ]);
    await supporting('HTTPRoute');
    const listeners = [{ name: 'http', port: 80, protocol: 'HTTP' }];
    const metadata = { name: 'public', namespace };
    await client.create(GatewayKind, {
      ...{ apiVersion, kind: 'Gateway', metadata },
      spec: { gatewayClassName, listeners },
    });
    const traffic = { provider: 'GatewayAPI', hosts: [`${namespace}.example.com`], gateways: ['public'] };
    const strategy = { type: 'Canary', canary: { mirror: 10 } };
    const api = await TestApi.create(sandbox, namespace, { traffic, strategy });
    await api.reason('GatewayFeatureUnsupported');
    assert.match(api.message(), /GatewayClass without-mirrors of Gateway \S+\/public .*canary\.mirror/);
    assert.deepEqual(await api.owned(JobKind), []);
    await supporting('HTTPRoute', 'HTTPRouteRequestPercentageMirror');
    await api.ready();
    await api.remove();
    await kubectl.run(['delete', 'gatewayclass', gatewayClassName]);
  }).timeout(90_000);

  it('routes no traffic to an image that is never ready', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'broken'));
    await api.ready();
    await api.patch({ image: image('never-ready'), canaryWeight: 100 });
    await api.reason('PodsNotReady');
    const route = await api.get(VirtualServiceKind);
    const text = JSON.stringify(route?.spec);
    const stable = api.status.stableRevision ?? '';
    const update = api.status.updateRevision ?? '';
    assert.ok(text.includes(stable) && !text.includes(update), text);
    await api.remove();
  }).timeout(90_000);

  it('does not take over an existing object of the same name that it does not own', async () => {
    const namespace = await newTenant(sandbox, 'taken');
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'api', namespace },
      spec: { ports: [{ port: 1 }] },
    };
    await sandbox.parts.kubectl.apply([service]);
    const api = await TestApi.create(sandbox, namespace);
    await api.reason('NameConflict');
    assert.match(
      api.message(),
      new RegExp(`Service ${namespace}/api exists and does not belong to this PcfApi`),
    );
    await sandbox.parts.kubectl.run(['delete', 'service', 'api', '-n', namespace]);
    await api.ready();
    await api.remove();
  }).timeout(120_000);
});
