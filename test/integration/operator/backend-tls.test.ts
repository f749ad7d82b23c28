import assert from 'node:assert/strict';
import { generate } from 'selfsigned';
import {
  DeploymentKind,
  DestinationRuleKind,
  PodKind,
  SecretKind,
  ServiceKind,
} from '../../../operator/resources/kinds.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';

interface Subset {
  name: string;
  trafficPolicy?: { tls: { mode: string; sni: string } };
}

describe('traffic.backendTLS', () => {
  let sandbox: Sandbox;
  let api: TestApi;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    api = await TestApi.create(sandbox, await newTenant(sandbox, 'backend-tls'));
    await api.ready();
  });

  it('waits for the Secret, then delivers pods with HTTPS probes while the stable pods serve HTTP', async () => {
    const before = api.status.stableRevision!;
    await api.patch({ canaryWeight: 30, traffic: { backendTLS: { secretName: 'pods' } } });
    await api.reason('SecretMissing');
    await createCertificate();
    await api.watch.until('30 %', (it) => it?.status?.traffic?.effectiveWeight === 30);
    const { subsets } = await api.specOf<{ subsets: Subset[] }>(DestinationRuleKind, 'api-revisions');
    const policies = new Map(subsets.map(({ name, trafficPolicy }) => [name, trafficPolicy?.tls]));
    const after = api.status.updateRevision!;
    assert.equal(policies.get(before), undefined);
    assert.equal(policies.get(after)?.sni, `api.${api.namespace}.svc`);
    const deployment = await api.specOf(DeploymentKind, after);
    assert.match(JSON.stringify(deployment), /"scheme":"HTTPS"/);
    const { items } = await sandbox.parts.client.list(PodKind, {
      namespace: api.namespace,
      labelSelector: `pcf.dev/revision=${after},app.kubernetes.io/component=api`,
    });
    const { conditions } = items[0]!.status as { conditions: { type: string; status: string }[] };
    assert.equal(conditions.find(({ type }) => type === 'Ready')?.status, 'True');
    const { ports } = await api.specOf<{ ports: { port: number }[] }>(ServiceKind);
    assert.deepEqual(
      ports.map(({ port }) => port),
      [80, 443],
    );
  });

  it('reverts to HTTP when it is removed from the spec', async () => {
    await api.patch({ canaryWeight: null, traffic: { backendTLS: null } });
    await api.ready();
    const { subsets } = await api.specOf<{ subsets: Subset[] }>(DestinationRuleKind, 'api-revisions');
    const stable = subsets.find(({ name }) => name === api.status.stableRevision);
    assert.ok(stable && stable.trafficPolicy === undefined);
  });

  async function createCertificate(): Promise<void> {
    const pair = await generate([{ name: 'commonName', value: `api.${api.namespace}.svc` }], {
      keySize: 2048,
    });
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    await sandbox.parts.client.create(SecretKind, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'pods', namespace: api.namespace },
      data: { 'tls.crt': base64(pair.cert), 'tls.key': base64(pair.private) },
    } as never);
  }
});
