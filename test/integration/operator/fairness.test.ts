import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { DeploymentKind } from '../../../operator/resources/kinds.js';
import type { ResourceType } from '../../../operator/runtime/kube-client.js';
import type { OperatorProcess } from '../../../sandbox/operator-process.js';
import { type AuditEvent, line } from '../../support/cluster/audit-log.js';
import { AuditedCluster, metric } from '../../support/cluster/audited-cluster.js';
import { objectsIn } from '../../support/cluster/helm.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';
import { HttpEndpoint } from '../../support/servers/http-endpoint.js';

const PriorityLevelKind: ResourceType = {
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'PriorityLevelConfiguration',
  plural: 'prioritylevelconfigurations',
  namespaced: false,
};
const LEVEL = 'for-the-operator';
const OBJECTS = 6;
/** Retry-After of API Priority and Fairness. */
const RETRY_AFTER_MS = 1_000;

/** A level with the minimum of seats and no queue: a request without a free seat is rejected. */
function level(seats: 'few' | 'none'): object {
  return {
    type: 'Limited',
    limited: {
      nominalConcurrencyShares: seats === 'few' ? 1 : 0,
      lendablePercent: 0,
      borrowingLimitPercent: 0,
      limitResponse: { type: 'Reject' },
    },
  };
}

/** Assigns the requests of the operator to the level, except those that the shipped FlowSchema matches. */
function schema(): object {
  const subject = {
    kind: 'ServiceAccount',
    serviceAccount: { namespace: 'pcf-system', name: 'pcf-operator' },
  };
  const everything = {
    verbs: ['*'],
    namespaces: ['*'],
    apiGroups: ['*'],
    resources: ['*'],
    clusterScope: true,
  };
  return {
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    kind: 'FlowSchema',
    metadata: { name: 'the-operator' },
    spec: {
      matchingPrecedence: 1_000,
      priorityLevelConfiguration: { name: LEVEL },
      distinguisherMethod: { type: 'ByUser' },
      rules: [{ subjects: [subject], resourceRules: [everything] }],
    },
  };
}

/** FlowSchema of deploy/k8s for the Lease. */
function shippedSchema(): object {
  const objects = objectsIn(readFileSync('deploy/k8s/operator.yaml', 'utf8'));
  const found = objects.find(({ kind }) => kind === 'FlowSchema');
  assert.ok(found, 'deploy/k8s has a FlowSchema');
  return found;
}

/** A request as the operator that occupies the last seat, because its admission webhook never responds. */
class HangingRequest {
  private constructor(
    private readonly webhook: HttpEndpoint,
    private readonly request: Promise<unknown>,
  ) {}

  static async start(cluster: AuditedCluster, namespace: string): Promise<HangingRequest> {
    const { kubectl } = cluster.sandbox.parts;
    await cluster.namespace(namespace);
    const webhook = await HttpEndpoint.start(true);
    webhook.answer = 'hang';
    await kubectl.apply([webhookOf(webhook, namespace)]);
    const as = '--as=system:serviceaccount:pcf-system:pcf-operator';
    let tries = 0;
    let request: Promise<unknown> = Promise.resolve();
    // Repeated, because a webhook is called only some time after its configuration is created.
    await eventually('the webhook is called', async () => {
      request = kubectl.run(['create', 'configmap', `jam-${++tries}`, '-n', namespace, as]).catch(() => {});
      await Promise.race([request, new Promise((resolve) => setTimeout(resolve, 1_000))]);
      return webhook.requests.length > 0;
    });
    return new HangingRequest(webhook, request);
  }

  async release(): Promise<void> {
    await this.webhook.stop();
    await this.request;
  }
}

function webhookOf({ url, ca }: HttpEndpoint, namespace: string): object {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'jam' },
    webhooks: [
      {
        name: 'jam.example.com',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        timeoutSeconds: 30,
        failurePolicy: 'Ignore',
        clientConfig: { url: `${url}/jam`, caBundle: Buffer.from(ca).toString('base64') },
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
      },
    ],
  };
}

describe('the operator with API Priority and Fairness', () => {
  let cluster: AuditedCluster;
  let operator: OperatorProcess;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await AuditedCluster.start('.sandbox/test-fairness', ['istio']);
    await cluster.sandbox.parts.kubectl.apply([
      {
        apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
        kind: 'PriorityLevelConfiguration',
        metadata: { name: LEVEL },
        spec: level('few'),
      },
      schema(),
      shippedSchema(),
    ]);
    operator = await cluster.operator('operator', { args: ['--resync', '0'] });
  });
  after(() => cluster?.stop());

  const rejectedEvents = (events: readonly AuditEvent[]) =>
    events.filter(({ responseStatus }) => responseStatus?.code === 429);
  const at = ({ requestReceivedTimestamp }: AuditEvent) => Date.parse(requestReceivedTimestamp);
  /** Number of rejected requests of the operator in the metrics of the API server. */
  const countRejected = async () => {
    const text = await cluster.sandbox.parts.kubectl.run(['get', '--raw', '/metrics']);
    const counts = text.matchAll(
      /^apiserver_flowcontrol_rejected_requests_total\{flow_schema="the-operator".*\} (\d+)$/gm,
    );
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  };

  /** Asserts that each rejected request is retried no sooner than Retry-After. */
  function assertRetryDelay(events: readonly AuditEvent[]): void {
    // A watch has two audit events with one auditID: at its start and at its end.
    const same = (a: AuditEvent, b: AuditEvent) =>
      a.verb === b.verb && a.requestURI === b.requestURI && a.auditID !== b.auditID;
    for (const [index, event] of events.entries()) {
      // The URI of a create request has no name: the request for another Event looks like a retry.
      if (event.responseStatus?.code !== 429 || event.verb === 'create') continue;
      const next = events.slice(index + 1).find((other) => same(event, other));
      if (!next) continue;
      const waitedMs = at(next) - at(event);
      assert.ok(waitedMs >= RETRY_AFTER_MS, `${line(event)} was retried after ${waitedMs} ms`);
    }
  }

  it('waits for Retry-After before it retries a rejected request, and brings every PcfApi to Ready', async () => {
    const { client } = cluster;
    const namespaces = Array.from({ length: OBJECTS }, (_, index) => `fair-${index}`);
    await Promise.all(namespaces.map((name) => cluster.namespace(name)));
    await client.patch(PriorityLevelKind, undefined, LEVEL, { spec: level('none') });
    const hangingRequest = await HangingRequest.start(cluster, 'jam-1');
    const mark = cluster.audit.mark();
    const rejected = () => rejectedEvents(cluster.audit.since(mark)).length;
    const watches = await Promise.all(namespaces.map((name) => cluster.create(name)));
    await eventually('requests are rejected', () => rejected() > 10);
    await hangingRequest.release();
    await client.patch(PriorityLevelKind, undefined, LEVEL, { spec: level('few') });
    await Promise.all(watches.map((watch) => cluster.ready(watch)));

    assert.ok((await countRejected()) > 10, 'the API server counted them');
    assertRetryDelay(cluster.audit.since(mark));
    assert.ok((await metric(operator, /^rest_client_requests_total\{.*code="429"/)) > 0);
  });

  it('renews its Lease while all other requests are rejected, and continues within 10 s when they are admitted', async () => {
    const { client } = cluster;
    const holder = (await cluster.lease()).holderIdentity;
    await client.patch(PriorityLevelKind, undefined, LEVEL, { spec: level('none') });
    const hangingRequest = await HangingRequest.start(cluster, 'jam-2');
    const mark = cluster.audit.mark();
    await cluster.patch('fair-0', { replicas: 2 });
    // More than the retries of one request: the reconcile fails and is retried too.
    const tries = () =>
      rejectedEvents(cluster.audit.since(mark)).filter(({ verb }) => verb === 'patch').length;
    await eventually('patch requests are rejected repeatedly', () => tries() >= 8);
    assertRetryDelay(cluster.audit.since(mark));

    await hangingRequest.release();
    await client.patch(PriorityLevelKind, undefined, LEVEL, { spec: level('few') });
    await eventually(
      'two replicas',
      async () => {
        const { items } = await client.list(DeploymentKind, { namespace: 'fair-0' });
        return (items[0]!.spec as { replicas: number }).replicas === 2;
      },
      10_000,
    );
    assert.equal((await cluster.lease()).holderIdentity, holder);
    assert.equal(await metric(operator, /^leader_election_master_status/), 1);
  });
});
