import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { keyIdOf, secretLines } from '../../../contract/signing-keys.js';
import type { PcfApiStatus } from '../../../operator/api/v1alpha1/status.js';
import { PcfApiKind, SecretKind } from '../../../operator/resources/kinds.js';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import { formatKeys, KEYS_ANNOTATION, parseKeys } from '../../../operator/signing-keys/key-set.js';
import type { PcfApiView, PcfApiWatch } from '../../../sandbox/story/pcfapi-watch.js';
import { line } from '../../support/cluster/audit-log.js';
import { type AuditedCluster, sharedAuditedCluster } from '../../support/cluster/audited-cluster.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';

const NAME = 'api-jwt';
const HOUR = 3_600_000;
const auth = { jwtSecretRef: { name: NAME }, rotation: { interval: '10h', overlap: '1h' } };

describe('the operator with rotated signing keys', () => {
  const namespace = 'signing-keys';
  let cluster: AuditedCluster;
  let watch: PcfApiWatch;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await sharedAuditedCluster();
    await cluster.operator('operator', { args: ['--resync', '1s'] });
    await cluster.namespace(namespace);
    watch = await cluster.create(namespace, { auth });
  });
  after(() => cluster?.clear());

  const degraded = (api: PcfApiView | undefined) =>
    api?.status?.conditions?.find(({ type }) => type === 'Degraded');
  const keysIn = (secret: KubeObject) => {
    const { 'jwt-secret': encoded = '' } = secret.data as Record<string, string>;
    return secretLines(Buffer.from(encoded, 'base64').toString());
  };
  const secret = () => cluster.client.get(SecretKind, namespace, NAME);
  const phases = () => {
    const { auth } = (watch.now()?.status ?? {}) as PcfApiStatus;
    return auth?.keys.map(({ id, phase }) => `${id} ${phase}`);
  };

  /** Moves the recorded times of the keys into the past, as if the time had passed. */
  async function passHours(hours: number): Promise<void> {
    const { metadata } = await secret();
    const keys = parseKeys(metadata.annotations?.[KEYS_ANNOTATION]).map((key) => ({
      ...key,
      announcedAt: key.announcedAt - hours * HOUR,
      ...(key.signingSince && { signingSince: key.signingSince - hours * HOUR }),
      ...(key.retiredAt && { retiredAt: key.retiredAt - hours * HOUR }),
    }));
    const annotations = { [KEYS_ANNOTATION]: formatKeys(keys) };
    await cluster.client.patch(SecretKind, namespace, NAME, { metadata: { annotations } });
  }

  it('reports the missing permission, and generates the key when it is granted', async () => {
    await watch.until('the missing permission is reported', (api) =>
      /set rbac\.rotateSigningKeys/.test(degraded(api)?.message ?? ''),
    );
    assert.equal(degraded(watch.now())?.reason, 'SigningKeyNotRotated');
    await cluster.sandbox.parts.kubectl.apply(rotationRole(namespace));
    await cluster.ready(watch, 90_000);
    const { metadata, ...written } = await secret();
    const [key, ...others] = keysIn({ metadata, ...written });
    assert.deepEqual(others, []);
    assert.equal(metadata.ownerReferences?.[0]?.name, 'api');
    await eventually('the key is reported', () => phases()?.length === 1);
    assert.deepEqual(phases(), [`${keyIdOf(key!)} Signing`]);
    const log = readFileSync(join(cluster.sandbox.stateDir, 'logs', 'operator.log'), 'utf8');
    assert.match(log, /signing keys written/);
    assert.ok(!log.includes(key!), 'the key is in the log');
  });

  it('announces, signs, retires and removes keys, without a change of pods, and writes nothing in between', async () => {
    const revision = watch.now()?.status?.stableRevision;
    const [first] = keysIn(await secret()).map(keyIdOf);
    await passHours(9);
    await eventually('a second key is announced', () => phases()?.length === 2);
    const second = keysIn(await secret()).map(keyIdOf)[1];
    assert.deepEqual(phases(), [`${first} Signing`, `${second} Announced`]);
    await passHours(1);
    await eventually('the second key signs', () => phases()?.[0] === `${second} Signing`);
    assert.deepEqual(keysIn(await secret()).map(keyIdOf), [second, first]);
    await passHours(1);
    await eventually('the first key is removed', () => phases()?.length === 1);
    assert.deepEqual(keysIn(await secret()).map(keyIdOf), [second]);
    assert.equal(watch.now()?.status?.stableRevision, revision);
    assert.equal(watch.now()?.status?.updateRevision, undefined);

    const mark = cluster.audit.mark();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    assert.deepEqual(cluster.audit.writesSince(mark).map(line), []);
  });

  it('does not rotate the Secret of a user, and reports what the user has to do', async () => {
    const own = await cluster.namespace('signing-keys-own');
    await cluster.sandbox.parts.kubectl.apply(rotationRole(own));
    const stringData = { 'jwt-secret': 'the key of a user, of more than 32 bytes' };
    const metadata = { name: NAME, namespace: own };
    const created = await cluster.client.create(SecretKind, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata,
      stringData,
    });
    const other = await cluster.create(own, { auth });
    await other.until('the issue is reported', (api) => degraded(api)?.reason === 'SigningKeyNotRotated');
    assert.match(degraded(other.now())?.message ?? '', /was not created by the operator/);
    const now = await cluster.client.get(SecretKind, own, NAME);
    assert.equal(now.metadata.resourceVersion, created.metadata.resourceVersion);
  });

  it('generates the Secret again after it was deleted, and deletes it with the PcfApi', async () => {
    const { uid } = (await secret()).metadata;
    await cluster.client.delete(SecretKind, namespace, NAME);
    await eventually('the Secret is generated again', async () => {
      const found = await secret().catch(() => undefined);
      return found !== undefined && found.metadata.uid !== uid;
    });
    await cluster.client.delete(PcfApiKind, namespace, 'api');
    await eventually(
      'the Secret is deleted',
      async () => (await secret().catch(() => undefined)) === undefined,
    );
  });
});

/** The permission that the Helm chart grants with rbac.rotateSigningKeys, in one namespace. */
function rotationRole(namespace: string) {
  const group = 'rbac.authorization.k8s.io';
  const metadata = { name: 'pcf-signing-keys', namespace };
  const rules = [{ apiGroups: [''], resources: ['secrets'], verbs: ['create', 'patch'] }];
  const subject = { kind: 'ServiceAccount', name: 'pcf-operator', namespace: 'pcf-system' };
  return [
    { apiVersion: `${group}/v1`, kind: 'Role', metadata, rules },
    {
      ...{ apiVersion: `${group}/v1`, kind: 'RoleBinding', metadata },
      roleRef: { apiGroup: group, kind: 'Role', name: metadata.name },
      subjects: [subject],
    },
  ];
}
