import assert from 'node:assert/strict';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { HorizontalPodAutoscalerKind, PcfApiKind } from '../../../operator/resources/kinds.js';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-client.js';
import { line } from '../../support/cluster/audit-log.js';
import { type AuditedCluster, sharedAuditedCluster } from '../../support/cluster/audited-cluster.js';
import { kubectlPcf } from '../../support/cluster/kubectl-pcf.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';
import { itConcurrently as it } from '../../support/runner/it-concurrently.js';

const EventKind: ResourceType = {
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
};

interface Event extends KubeObject {
  eventTime: string;
  type: string;
  reason: string;
  note: string;
  regarding: { kind: string };
}

describe('kubectl', () => {
  let cluster: AuditedCluster;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await sharedAuditedCluster();
    await cluster.operator('operator', { args: ['--resync', '0'] });
  });
  after(() => cluster?.clear());

  const kubectl = (namespace: string, ...args: string[]) =>
    cluster.sandbox.parts.kubectl.run([...args, '-n', namespace]);

  it('starts, waits for and reads a delivery from the first pod to the promotion', async () => {
    const namespace = await cluster.namespace('by-hand');
    await cluster.create(namespace, { canaryWeight: 20 });
    const wait = (what: string) => kubectl(namespace, 'wait', 'pcf/api', `--for=${what}`, '--timeout=30s');
    await wait('condition=Ready');
    const patch = (spec: object) =>
      kubectl(namespace, 'patch', 'pcf', 'api', '--type=merge', '-p', JSON.stringify({ spec }));
    await patch({ image: 'registry.example.com/pcf-api:1.1.0' });
    await wait('jsonpath={.status.traffic.effectiveWeight}=20');
    await wait('condition=Ready'); // Ready is True at the desired weight
    const [header, row] = (await kubectl(namespace, 'get', 'pcf')).trim().split('\n');
    assert.deepEqual(
      header!.trim().split(/\s+/),
      'NAME PHASE STABLE CANARY WEIGHT READY MIGRATION REASON AGE'.split(' '),
    );
    assert.match(
      row!,
      /^api +Canary +registry\S+:1\.0\.0 +registry\S+:1\.1\.0 +20 +2 +Succeeded +CanaryHolding +\d+s$/,
    );
    await patch({ canaryWeight: 60 });
    await wait('jsonpath={.status.traffic.effectiveWeight}=60');
    await patch({ canaryWeight: 100 });
    await wait('jsonpath={.status.stableImage}=registry.example.com/pcf-api:1.1.0');
    await wait('condition=Ready');

    const notePatterns = [
      /^started the delivery of (\S+)$/,
      /^promoted (\S+) to the stable revision$/,
      /^started the delivery of (\S+)$/,
      /^weight of (\S+) changed from 0 % to 20 %$/,
      /^weight of (\S+) changed from 20 % to 60 %$/,
      /^promoted (\S+) to the stable revision$/,
    ];
    let events: Event[] = [];
    await eventually('both promotions have an Event', async () => {
      const { items } = await cluster.client.list(EventKind, { namespace });
      const pcfApiEvents = (items as Event[]).filter(({ regarding }) => regarding.kind === 'PcfApi');
      events = pcfApiEvents.sort((a, b) => a.eventTime.localeCompare(b.eventTime));
      return events.filter(({ reason }) => reason === 'Promoted').length === 2;
    });
    // The weight of 100 % has no Event if the same reconcile also promotes the revision.
    const notes = events.map(({ note }) => note).filter((note) => !/ to 100 %/.test(note));
    assert.equal(notes.length, notePatterns.length, notes.join('\n'));
    const revisions = notePatterns.map((pattern, index) => {
      assert.match(notes[index]!, pattern, notes.join('\n'));
      return pattern.exec(notes[index]!)![1];
    });
    assert.equal(new Set(revisions.slice(0, 2)).size, 1, 'the first revision');
    assert.equal(new Set(revisions.slice(2)).size, 1, 'the second revision');
    assert.ok(events.every(({ type }) => type === 'Normal'));
  });

  it('apply without replicas retains the replicas of the autoscaler, client-side and server-side', async () => {
    const namespace = await cluster.namespace('by-gitops');
    const manifest = (labels: object = {}) =>
      JSON.stringify({
        apiVersion: 'pcf.dev/v1alpha1',
        kind: 'PcfApi',
        metadata: { name: 'api', namespace, labels },
        spec: {
          image: 'registry.example.com/pcf-api:1.0.0',
          environment: 'production',
          database: { secretRef: { name: 'pcf-api-secrets' } },
        },
      });
    const { kubectl: raw } = cluster.sandbox.parts;
    await raw.apply(manifest());
    await kubectl(namespace, 'wait', 'pcf/api', '--for=condition=Ready', '--timeout=30s');
    await kubectl(namespace, 'scale', 'pcf/api', '--replicas=5'); // as an autoscaler does
    await kubectl(namespace, 'wait', 'pcf/api', '--for=jsonpath={.status.readyReplicas}=5', '--timeout=30s');
    await kubectl(namespace, 'wait', 'pcf/api', '--for=condition=Ready', '--timeout=30s');

    const flux = ['--server-side', '--field-manager=flux', '--force-conflicts'];
    const argo = ['--server-side', '--field-manager=argocd-controller', '--force-conflicts'];
    for (const how of [[], flux, argo]) {
      await raw.apply(manifest(), ...how); // records the field manager
      const before = await cluster.client.get(PcfApiKind, namespace, 'api');
      const mark = cluster.audit.mark();
      for (let round = 0; round < 3; round++) await raw.apply(manifest(), ...how);
      // A label does not change the generation, and triggers a reconcile.
      await raw.apply(manifest({ commit: `by-${how.length}` }), ...how);
      await eventually('the label is set', async () => {
        const { metadata } = await cluster.client.get(PcfApiKind, namespace, 'api');
        return metadata.labels?.commit === `by-${how.length}`;
      });
      const now = await cluster.client.get(PcfApiKind, namespace, 'api');
      assert.equal(now.metadata.generation, before.metadata.generation);
      assert.equal((now.spec as { replicas: number }).replicas, 5);
      assert.ok(now.metadata.finalizers?.length, 'the finalizer is retained');
      const written = cluster.audit
        .writesSince(mark)
        .filter(({ objectRef }) => objectRef?.namespace === namespace);
      assert.deepEqual(written.map(line), [], 'the operator writes nothing');
      await raw.apply(manifest(), ...how);
    }
  });

  it('pcf undo restores the previous revision after settings were added', async () => {
    const namespace = await cluster.namespace('by-undo');
    const watch = await cluster.create(namespace, { config: { logging: { level: 'info' } } });
    const awaitReady = async (isExpected: (stable: string) => boolean) => {
      await watch.until(
        'Ready with the expected stable revision',
        ({ status } = {} as never) => status?.phase === 'Ready' && isExpected(status.stableRevision ?? ''),
      );
      return watch.now()?.status?.stableRevision;
    };
    const first = await awaitReady(() => true);
    const change = { config: { logging: { level: 'info' }, graphql: { playground_enabled: true } } };
    await cluster.patch(namespace, { ...change, availability: { topologySpread: 'Node' } });
    await awaitReady((stable) => stable !== first);
    const { out, problems } = await kubectlPcf(cluster.sandbox, ['undo', 'api', '-n', namespace]);
    assert.match(out, /rolls back to revision 1, \S+:1\.0\.0\n$/, problems);
    await awaitReady((stable) => stable === first);
  });

  it('pcf undo restores the settings of the autoscaler, which change with a promotion', async () => {
    const namespace = await cluster.namespace('by-scaling');
    const settings = (maxReplicas: number) => ({
      replicas: null,
      autoscaling: { horizontal: { onChange: 'Rollout', minReplicas: 1, maxReplicas } },
    });
    const watch = await cluster.create(namespace, { ...settings(4), strategy: { type: 'BlueGreen' } });
    await cluster.ready(watch);
    const first = watch.now()!.status!.stableRevision;
    const most = async () => {
      const hpa = await cluster.client.get(HorizontalPodAutoscalerKind, namespace, 'api');
      return (hpa.spec as { maxReplicas: number }).maxReplicas;
    };
    await cluster.patch(namespace, { ...settings(8), strategy: { blueGreen: { autoPromote: false } } });
    await watch.until('Canary', (api) => api?.status?.reason === 'CanaryHolding');
    assert.equal(await most(), 4);
    const status = await kubectlPcf(cluster.sandbox, ['status', 'api', '-n', namespace]);
    assert.match(status.out, /Autoscaling\n.*\n +after the promotion of api-\w+: maxReplicas 4 -> 8/);
    await kubectlPcf(cluster.sandbox, ['promote', 'api', '-n', namespace]);
    await watch.until('promoted', (api) => api?.status?.stableRevision !== first);
    await eventually('the settings are in effect', async () => (await most()) === 8);
    const { out, problems } = await kubectlPcf(cluster.sandbox, ['undo', 'api', '-n', namespace]);
    assert.match(out, /rolls back to revision 1/, problems);
    await watch.until('undone', (api) => api?.status?.stableRevision === first);
    await eventually('the earlier settings are in effect', async () => (await most()) === 4);
    assert.equal((watch.now() as unknown as PcfApi).spec.replicas, 1);
  });
});
