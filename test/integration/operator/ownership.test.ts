import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  DeploymentKind,
  PcfApiKind,
  ServiceKind,
  VirtualServiceKind,
} from '../../../operator/resources/kinds.js';
import type { ResourceType } from '../../../operator/runtime/kube-client.js';
import type { OperatorProcess } from '../../../sandbox/operator-process.js';
import type { PcfApiView } from '../../../sandbox/story/pcfapi-watch.js';
import { type AuditedCluster, metric, sharedAuditedCluster } from '../../support/cluster/audited-cluster.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';

const blueGreen = { strategy: { type: 'BlueGreen', blueGreen: { autoPromote: false } } };
const readyMessage = (api?: PcfApiView) =>
  api?.status?.conditions?.find(({ type }) => type === 'Ready')?.message ?? '';

describe('ownership of objects', () => {
  let cluster: AuditedCluster;
  let operator: OperatorProcess;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await sharedAuditedCluster();
    operator = await cluster.operator('operator', { args: ['--resync', '0'] });
  });
  after(() => cluster?.clear());

  const status = async (namespace: string, name: string) => {
    const { items } = await cluster.client.list(PcfApiKind, {
      namespace,
      fieldSelector: `metadata.name=${name}`,
    });
    return (items[0] as PcfApiView | undefined)?.status;
  };
  const until = (namespace: string, name: string, reason: string, timeoutMs = 60_000) =>
    eventually(
      `${name} is ${reason}`,
      async () => (await status(namespace, name))?.reason === reason,
      timeoutMs,
    );
  const createNamed = (namespace: string, name: string) =>
    cluster.client.create(PcfApiKind, {
      ...{ apiVersion: 'pcf.dev/v1alpha1', kind: 'PcfApi', metadata: { name, namespace } },
      spec: {
        ...{ image: 'registry.example.com/pcf-api:1.0.0', environment: 'development', replicas: 1 },
        database: { secretRef: { name: 'pcf-api-secrets' } },
        traffic: { provider: 'Istio', hosts: [`${name}.example.com`], gateways: ['mesh/public'] },
      },
    });
  const service = async (namespace: string, name: string) => {
    const { metadata, spec } = await cluster.client.get(ServiceKind, namespace, name);
    return {
      owners: metadata.ownerReferences?.map((owner) => owner.name),
      version: metadata.resourceVersion,
      spec,
    };
  };
  const reconciles = () => metric(operator, /^controller_runtime_reconcile_total\{/);

  /** Two owners in conflict over an object would reconcile hundreds of times in 5 s. */
  async function assertNoConflict(namespace: string, name: string): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const [before, from] = [await service(namespace, name), await reconciles()];
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const count = (await reconciles()) - from;
    assert.ok(count < 15, `${count} reconciles in 5 s`);
    assert.deepEqual(await service(namespace, name), before);
  }

  it('does not take Service api-preview from the PcfApi that created it, and promotes without a preview', async () => {
    const namespace = await cluster.namespace('taken-by-another');
    await createNamed(namespace, 'api-preview');
    await until(namespace, 'api-preview', 'Ready');
    const watch = await cluster.create(namespace, blueGreen);
    await cluster.ready(watch);
    await cluster.patch(namespace, { image: 'registry.example.com/pcf-api:1.1.0' });
    await watch.until('NameConflict', (api?: PcfApiView) => api?.status?.reason === 'NameConflict');
    assert.match(
      readyMessage(watch.now()),
      new RegExp(
        `Service ${namespace}/api-preview exists and belongs to PcfApi api-preview, not to this PcfApi`,
      ),
    );
    await assertNoConflict(namespace, 'api-preview');
    assert.deepEqual((await service(namespace, 'api-preview')).owners, ['api-preview']);
    assert.equal((await status(namespace, 'api-preview'))?.reason, 'Ready');
    await cluster.patch(namespace, { canaryWeight: 100 });
    await cluster.ready(watch);
    assert.equal(watch.now()?.status?.stableImage, 'registry.example.com/pcf-api:1.1.0');
  });

  it('brings a second PcfApi to Ready once the conflicting object of the first is deleted', async () => {
    const namespace = await cluster.namespace('taken-by-the-preview');
    const watch = await cluster.create(namespace, blueGreen);
    await cluster.ready(watch);
    await cluster.patch(namespace, { image: 'registry.example.com/pcf-api:1.1.0' });
    await eventually('the preview Service exists', async () =>
      service(namespace, 'api-preview').then(
        () => true,
        () => false,
      ),
    );
    await createNamed(namespace, 'api-preview');
    await until(namespace, 'api-preview', 'NameConflict');
    await assertNoConflict(namespace, 'api-preview');
    assert.deepEqual((await service(namespace, 'api-preview')).owners, ['api']);
    await cluster.patch(namespace, { canaryWeight: 100 });
    await cluster.ready(watch);
    await until(namespace, 'api-preview', 'Ready');
    assert.deepEqual((await service(namespace, 'api-preview')).owners, ['api-preview']);
  });

  it('does not change pods, Service and route after kubectl delete --cascade=orphan, and adopts them only on request', async () => {
    const namespace = await cluster.namespace('orphaned');
    const watch = await cluster.create(namespace);
    await cluster.ready(watch);
    const kinds: ResourceType[] = [VirtualServiceKind, ServiceKind, DeploymentKind];
    const objects = async () => {
      const lists = await Promise.all(kinds.map((kind) => cluster.client.list(kind, { namespace })));
      return lists.flatMap(({ items }) => items);
    };
    const essence = async () =>
      (await objects()).map(({ metadata, spec }) => [metadata.name, metadata.uid, spec]);
    const before = await essence();
    assert.ok(before.length >= kinds.length);
    await cluster.sandbox.parts.kubectl.run(['delete', 'pcf', 'api', '-n', namespace, '--cascade=orphan']);
    await watch.until('the PcfApi is deleted', (api?: PcfApiView) => api === undefined);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    assert.deepEqual(await essence(), before);
    assert.ok((await objects()).every(({ metadata }) => !metadata.ownerReferences?.length));

    const again = await cluster.create(namespace);
    await again.until('NameConflict', (api?: PcfApiView) => api?.status?.reason === 'NameConflict');
    assert.match(readyMessage(again.now()), /left it without an owner; .*pcf\.dev\/adopt-orphans=true/);
    assert.deepEqual(await essence(), before);
    assert.ok((await objects()).every(({ metadata }) => !metadata.ownerReferences?.length));

    const annotate = ['annotate', 'pcf', 'api', '-n', namespace, 'pcf.dev/adopt-orphans=true'];
    await cluster.sandbox.parts.kubectl.run(annotate);
    await cluster.ready(again);
    assert.deepEqual(await essence(), before);
    const { uid } = again.now()!.metadata;
    const owners = (await objects()).flatMap(({ metadata }) => metadata.ownerReferences ?? []);
    assert.deepEqual(
      [owners.length, new Set(owners.map((owner) => owner.uid))],
      [before.length, new Set([uid])],
    );
  });

  it('makes check-uninstall fail until the last PcfApi is deleted', async () => {
    const namespace = await cluster.namespace('uninstall');
    const watch = await cluster.create(namespace);
    await cluster.ready(watch);
    const env = { PATH: process.env.PATH, KUBECONFIG: cluster.sandbox.parts.cluster.kubeconfigPath };
    const args = ['dist/bundle/operator/main.js', 'check-uninstall', '--namespace', namespace];
    const check = () => promisify(execFile)(process.execPath, args, { env });
    await assert.rejects(check(), (error: Error & { code?: number; stderr?: string }) => {
      assert.equal(error.code, 1);
      assert.match(error.stderr ?? '', /^1 PcfApis exist, .*: uninstall\/api\./);
      return true;
    });
    await cluster.client.delete(PcfApiKind, namespace, 'api');
    await watch.until('the PcfApi is deleted', (api?: PcfApiView) => api === undefined);
    await check();
  });
});
