import assert from 'node:assert/strict';
import { Applier, type ApplyResult } from '../../../operator/runtime/apply.js';
import { KubeClient, type KubeObject, type ResourceType } from '../../../operator/runtime/kube-client.js';
import { FakeApiServer } from '../../support/servers/fake-api-server.js';

const kind: ResourceType = {
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespaced: true,
};

const configMap = (data: Record<string, string>): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { namespace: 'ns', name: 'config' },
  data,
});

describe('Applier', () => {
  const server = new FakeApiServer(kind);
  const written: KubeObject[] = [];
  let client: KubeClient;
  let applier: Applier;
  const live = () => server.get('ns/config');
  const apply = (data: Record<string, string>): Promise<ApplyResult> =>
    applier.apply(kind, configMap(data), live());

  before(async () => {
    client = new KubeClient(await server.listen());
    applier = new Applier(client, {
      fieldManager: 'us',
      annotation: 'test/applied-hash',
      onWrite: (_type, object) => written.push(object),
    });
  });
  beforeEach(() => {
    server.requests.length = 0;
    written.length = 0;
    if (live()) server.remove('ns/config');
  });
  after(async () => {
    await client.close();
    await server.close();
  });

  it('creates an object by a forced server-side apply with its field manager, and passes the object to onWrite', async () => {
    assert.deepEqual(await apply({ a: '1' }), { outcome: 'created' });
    assert.equal(server.requests[0]!.query.get('fieldManager'), 'us');
    assert.equal(server.requests[0]!.query.get('force'), 'true');
    assert.deepEqual(written, [live()]);
  });

  it('sends no request when nothing changed', async () => {
    await apply({ a: '1' });
    server.requests.length = 0;
    assert.deepEqual(await apply({ a: '1' }), { outcome: 'unchanged' });
    assert.deepEqual(server.requests, []);
  });

  it('removes a field that is no longer desired, detected by the hash', async () => {
    await apply({ a: '1', b: '2' });
    assert.deepEqual(await apply({ a: '1' }), { outcome: 'updated' });
    assert.deepEqual(server.requests.at(-1)!.body?.data, { a: '1' });
  });

  it('reverts a change of another field manager, and reports its name', async () => {
    await apply({ a: '1' });
    const managedFields = [
      { manager: 'us', time: '2026-01-03T00:00:00Z' },
      { manager: 'earlier', time: '2026-01-01T00:00:00Z' },
      { manager: 'kubectl-edit', time: '2026-01-02T00:00:00Z' },
      { manager: 'controller', subresource: 'status', time: '2026-01-04T00:00:00Z' },
    ];
    server.put({ ...live()!, data: { a: 'theirs' }, metadata: { ...live()!.metadata, managedFields } });
    assert.deepEqual(await apply({ a: '1' }), {
      outcome: 'drifted',
      manager: 'kubectl-edit',
      fields: ['data.a'],
    });
    assert.deepEqual(live()!.data, { a: '1' });
    assert.deepEqual(await apply({ a: '1' }), { outcome: 'unchanged' });
  });

  it('does not modify the object that is passed to it', async () => {
    const desired = configMap({ a: '1' });
    await applier.apply(kind, desired, undefined);
    assert.deepEqual(desired, configMap({ a: '1' }));
  });

  it('throws the error of the API server', async () => {
    server.fail({ operation: 'patch', status: 422 });
    await assert.rejects(apply({ a: '1' }), { name: 'KubeApiError', status: 422 });
    assert.deepEqual(written, []);
  });
});
