import assert from 'node:assert/strict';
import { pino } from 'pino';
import { Caches } from '../../../operator/reconciler/caches.js';
import { digestOf, missingSecrets, secretsHash } from '../../../operator/reconciler/secret-digests.js';
import { SecretKind } from '../../../operator/resources/kinds.js';
import { CacheSet } from '../../../operator/runtime/cache-set.js';
import { KubeClient } from '../../../operator/runtime/kube-client.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { FakeApiServer } from '../../support/servers/fake-api-server.js';

const VALUE = Buffer.from('postgresql://me:hush@host/db').toString('base64');
const secret = (name: string, data: Record<string, string>, namespace = 'platform') => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: {
    ...{ name, namespace, uid: `uid-${name}`, resourceVersion: '7' },
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ data }) },
    managedFields: [],
  },
  type: 'Opaque',
  data,
  stringData: data,
});

describe('Secret digest', () => {
  it('contains the identity, the keys and a hash of each value, and no value in any encoding', () => {
    const digest = digestOf(secret('login', { url: VALUE, key: VALUE }));
    const { name, namespace, uid, resourceVersion } = digest.metadata;
    assert.deepEqual(Object.keys(digest).sort(), ['apiVersion', 'digests', 'kind', 'metadata']);
    assert.deepEqual(digest.metadata, { name, namespace, uid, resourceVersion });
    assert.deepEqual([name, namespace, uid, resourceVersion], ['login', 'platform', 'uid-login', '7']);
    assert.deepEqual(Object.keys(digest.digests), ['url', 'key']);
    const text = JSON.stringify(digest);
    for (const form of [VALUE, VALUE.slice(0, 8), 'hush', Buffer.from('hush').toString('base64').slice(0, 4)])
      assert.ok(!text.includes(form), form);
  });

  it('changes with the value, and differs for an equal value in another Secret or namespace', () => {
    const keyDigest = (name: string, value: string, namespace?: string) =>
      digestOf(secret(name, { key: value }, namespace)).digests.key;
    assert.equal(keyDigest('login', VALUE), keyDigest('login', VALUE));
    const all = [
      keyDigest('login', VALUE),
      keyDigest('login', 'other'),
      keyDigest('other', VALUE),
      keyDigest('login', VALUE, 'team'),
    ];
    assert.equal(new Set(all).size, all.length);
  });

  it('has no keys for a Secret without data', () => {
    const { data: _, ...empty } = secret('empty', {});
    assert.deepEqual(digestOf(empty).digests, {});
  });

  it('is cached instead of the Secret', async () => {
    const server = new FakeApiServer(SecretKind);
    const client = new KubeClient(await server.listen());
    const stop = new AbortController();
    const set = new CacheSet(client, pino({ level: 'silent' }));
    const caches = new Caches(set, []);
    server.put(secret('login', { url: VALUE }));
    set.start(stop.signal);
    try {
      await eventually('the Secret is cached', () => caches.secrets.list().length === 1);
      server.put(secret('login', { url: VALUE, more: VALUE }));
      await eventually('the change is cached', () => /more/.test(JSON.stringify(caches.secrets.list())));
      assert.doesNotMatch(JSON.stringify(caches.secrets.list()), new RegExp(`${VALUE}|hush`));
    } finally {
      stop.abort();
      await set.stopped();
      await client.close();
      await server.close();
    }
  });
});

describe('Secrets of envFrom and volumes', () => {
  const envFrom = [{ secretRef: { name: 'vendor' } }];
  const volumes = [{ name: 'keys', secret: { secretName: 'keys', optional: true } }];
  const secrets = { provider: 'Kubernetes', onChange: 'Rollout', refreshInterval: '1h' } as const;
  const api = pcfApi({ envFrom, volumes, secrets });
  const login = secret('pcf-api-secrets', { 'database-url': VALUE });
  const get =
    (...existing: ReturnType<typeof secret>[]) =>
    (name: string) =>
      existing.filter(({ metadata }) => metadata.name === name).map(digestOf)[0];

  it('are reported as missing if they do not exist, unless they are optional', () => {
    assert.deepEqual(missingSecrets(api, get(login)), [{ name: 'vendor' }]);
    assert.equal(secretsHash(api, get(login)), undefined);
  });

  it('create a new revision with onChange Rollout if a key is changed, added or removed', () => {
    const contents: Record<string, string>[] = [{ a: VALUE }, { a: 'b3RoZXI=' }, { a: VALUE, b: VALUE }, {}];
    const hashes = contents.map((data) => secretsHash(api, get(login, secret('vendor', data))));
    const withOptional = secretsHash(
      api,
      get(login, secret('vendor', { a: VALUE }), secret('keys', { a: VALUE })),
    );
    assert.equal(new Set([...hashes, withOptional]).size, 5);
    assert.ok(!hashes.includes(undefined));
  });
});
