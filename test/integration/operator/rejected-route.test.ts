import assert from 'node:assert/strict';
import type { OperatorProcess } from '../../../sandbox/operator-process.js';
import type { PcfApiView, PcfApiWatch } from '../../../sandbox/story/pcfapi-watch.js';
import {
  type AuditedCluster,
  metricsText,
  sharedAuditedCluster,
} from '../../support/cluster/audited-cluster.js';
import { notesOf } from '../../support/cluster/drift.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';

const group = 'admissionregistration.k8s.io/v1';

describe('status of a route whose changes an admission policy rejects', () => {
  let cluster: AuditedCluster;
  let operator: OperatorProcess;
  let watch: PcfApiWatch;
  const namespace = 'frozen-route';

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await sharedAuditedCluster();
    operator = await cluster.operator('operator', { args: ['--resync', '0'] });
    await cluster.namespace(namespace);
    watch = await cluster.create(namespace, { replicas: 5 });
    await cluster.ready(watch);
    const image = 'registry.example.com/pcf-api:1.1.0';
    await cluster.patch(namespace, { image, canaryWeight: 40 });
    await watch.until('40 %', (api?: PcfApiView) => traffic(api)?.effectiveWeight === 40 && isVerified(api));
    await createPolicy();
  });
  after(async () => {
    await deletePolicy().catch(() => {});
    await cluster?.clear();
  });

  const traffic = (api?: PcfApiView) =>
    (
      api?.status as {
        traffic?: { desiredWeight: number; effectiveWeight: number; verified: boolean; reason?: string };
      }
    )?.traffic;
  const isVerified = (api?: PcfApiView) => traffic(api)?.verified === true;

  async function createPolicy(): Promise<void> {
    const matchConstraints = {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
      resourceRules: [
        {
          ...{ apiGroups: ['networking.istio.io'], apiVersions: ['*'] },
          ...{ operations: ['UPDATE'], resources: ['virtualservices'] },
        },
      ],
    };
    const validations = [{ expression: 'false', message: 'change freeze' }];
    const metadata = { name: 'freeze' };
    const { kubectl } = cluster.sandbox.parts;
    await kubectl.apply([
      {
        ...{ apiVersion: group, kind: 'ValidatingAdmissionPolicy', metadata },
        spec: { matchConstraints, validations },
      },
      {
        ...{ apiVersion: group, kind: 'ValidatingAdmissionPolicyBinding', metadata },
        spec: { policyName: 'freeze', validationActions: ['Deny'] },
      },
    ]);
    const probe = ['label', 'virtualservice', 'api', '-n', namespace, 'probe=1', '--dry-run=server'];
    await eventually('the policy is in effect', () =>
      kubectl.run(probe).then(
        () => false,
        () => true,
      ),
    );
  }

  const deletePolicy = () =>
    cluster.sandbox.parts.kubectl.run(['delete', 'validatingadmissionpolicybinding', 'freeze']);

  const weights = (api?: PcfApiView) =>
    Object.fromEntries(api?.status?.revisions?.map(({ name, weight }) => [name, weight]) ?? []);

  const metricIs = (name: string, value: number) =>
    eventually(`${name} is ${value}`, async () =>
      (await metricsText(operator)).includes(`${name}{namespace="${namespace}",name="api"} ${value}\n`),
    );

  it('reports the effective weight next to the desired one, and the message of the policy', async () => {
    const { stableRevision = '', updateRevision = '' } = watch.now()?.status ?? {};
    await cluster.patch(namespace, { canaryWeight: 80 });
    await watch.until(
      'the change of the route is rejected',
      (api?: PcfApiView) => api?.status?.reason === 'Invalid',
    );
    const { reason, ...rest } = traffic(watch.now())!;
    assert.deepEqual(rest, { desiredWeight: 80, effectiveWeight: 40, verified: false });
    assert.match(reason ?? '', /change freeze/);
    assert.deepEqual(weights(watch.now()), { [stableRevision]: 60, [updateRevision]: 40 });
    await metricIs('pcf_effective_weight', 40);
    await metricIs('pcf_desired_weight', 80);
    assert.doesNotMatch(await notesOf(cluster, namespace), /to 80 %/);
    const text = await cluster.sandbox.kubectlPcf(['status', 'api', '-n', namespace]);
    assert.match(text, /80 %, effective 40 %: .*change freeze/);
  });

  it('reports the remaining weight of an aborted revision until the policy is deleted', async () => {
    const { stableRevision = '', updateRevision = '' } = watch.now()?.status ?? {};
    await cluster.sandbox.kubectlPcf(['abort', 'api', '-n', namespace]);
    await watch.until('aborted', (api?: PcfApiView) => api?.status?.failed !== undefined);
    await eventually(
      'the effective weight is still 40 %',
      () => traffic(watch.now())?.effectiveWeight === 40,
    );
    assert.equal(traffic(watch.now())?.desiredWeight, 0);
    assert.match(traffic(watch.now())?.reason ?? '', /change freeze/);
    assert.equal(weights(watch.now())[updateRevision], 40);
    await metricIs('pcf_effective_weight', 40);
    const text = await cluster.sandbox.kubectlPcf(['status', 'api', '-n', namespace]);
    assert.match(text, /desired 0 %, effective 40 %: .*change freeze/);
    await deletePolicy();
    await eventually(
      'the stable revision has all traffic',
      () => weights(watch.now())[stableRevision] === 100,
    );
    assert.equal(traffic(watch.now())?.effectiveWeight, 0);
    await metricIs('pcf_effective_weight', 0);
  });
});
