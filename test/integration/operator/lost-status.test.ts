import assert from 'node:assert/strict';
import { ControllerRevisionKind, DeploymentKind, PcfApiKind } from '../../../operator/resources/kinds.js';
import type { PcfApiView } from '../../../sandbox/story/pcfapi-watch.js';
import { type AuditedCluster, sharedAuditedCluster } from '../../support/cluster/audited-cluster.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';

describe('a lost PcfApi status', () => {
  let cluster: AuditedCluster;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await sharedAuditedCluster();
    await cluster.operator('operator', { args: ['--resync', '0'] });
  });
  after(() => cluster?.clear());

  it('does not cause a retry of an aborted revision, because its ControllerRevision records the failure', async () => {
    const namespace = await cluster.namespace('status-lost');
    const watch = await cluster.create(namespace);
    await cluster.ready(watch);
    const stable = watch.now()?.status?.stableRevision;
    await cluster.patch(namespace, { image: 'registry.example.com/pcf-api:1.1.0', canaryWeight: 10 });
    await watch.until('Canary', (api?: PcfApiView) => api?.status?.phase === 'Canary');
    await cluster.sandbox.kubectlPcf(['abort', 'api', '-n', namespace]);
    await watch.until('aborted', (api?: PcfApiView) => api?.status?.failed !== undefined);
    const { failed } = watch.now()!.status!;

    const { items } = await cluster.client.list(ControllerRevisionKind, { namespace });
    const annotated = items.find(({ metadata }) => metadata.name === failed!.revision);
    const record = JSON.parse(annotated!.metadata.annotations!['pcf.dev/position']!) as { failed: object };
    assert.deepEqual(record.failed, failed);

    const lost = { status: { phase: 'Pending', delivery: null, failed: null, history: null, reason: null } };
    await cluster.client.patch(PcfApiKind, namespace, 'api', lost, {
      ...{ fieldManager: 'restore', subresource: 'status' },
    });
    await watch.until('recovered', (api?: PcfApiView) => api?.status?.delivery !== undefined);
    await watch.until('aborted again', (api?: PcfApiView) => api?.status?.phase === 'Failed');
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const { status } = watch.now()!;
    assert.deepEqual([status?.failed, status?.stableRevision], [failed, stable]);
    assert.equal(status?.updateRevision, undefined);
    const deployments = await cluster.client.list(DeploymentKind, { namespace });
    const names = deployments.items.map(({ metadata }) => metadata.name);
    assert.ok(names.includes(stable!), names.join());
  });
});
