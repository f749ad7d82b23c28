import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { type EventInput, EventRecorder } from '../../../operator/runtime/events.js';
import { KubeClient, type ResourceType } from '../../../operator/runtime/kube-client.js';
import { FakeApiServer } from '../../support/servers/fake-api-server.js';

const kind: ResourceType = {
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
};

const event = (change: Partial<EventInput> = {}): EventInput => ({
  regarding: { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'ns', name: 'pod', uid: 'u1' } },
  type: 'Warning',
  reason: 'Failed',
  action: 'Reconcile',
  note: 'it did not work',
  ...change,
});

const about = (uid: string): Pick<EventInput, 'regarding'> => {
  const { regarding } = event();
  return { regarding: { ...regarding, metadata: { ...regarding.metadata, uid } } };
};

describe('EventRecorder', () => {
  let server: FakeApiServer;
  let client: KubeClient;
  let recorder: EventRecorder;
  const sent = () => server.requests.map(({ operation, body }) => ({ operation, body }));

  beforeEach(async () => {
    server = new FakeApiServer(kind);
    client = new KubeClient(await server.listen(), { timeoutMs: 1_000 });
    recorder = new EventRecorder(client, 'test/controller', 'instance-1', pino({ level: 'silent' }));
  });
  afterEach(async () => {
    await client.close();
    await server.close();
  });

  it('sets the fields that events.k8s.io requires', async () => {
    recorder.record(event());
    await recorder.flush();
    const { body } = sent()[0]!;
    assert.equal(body?.metadata.namespace, 'ns');
    assert.match(body?.metadata.name ?? '', /^pod\.[0-9a-f]{12}\.[0-9a-z]+$/);
    assert.match(String(body?.eventTime), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    assert.deepEqual(
      [body?.type, body?.reason, body?.action, body?.reportingController, body?.reportingInstance],
      ['Warning', 'Failed', 'Reconcile', 'test/controller', 'instance-1'],
    );
  });

  it('records repeated Events as a series, and different ones separately', async () => {
    for (let i = 0; i < 3; i++) recorder.record(event());
    recorder.record(event({ note: 'something else' }));
    await recorder.flush();
    assert.deepEqual(
      sent().map(({ operation }) => operation),
      ['create', 'patch', 'create', 'patch'],
    );
    assert.equal((sent()[3]!.body!.series as { count: number }).count, 3);
  });

  it('batches the updates of a fast series', async () => {
    for (let i = 0; i < 1_000; i++) recorder.record(event());
    await recorder.flush();
    assert.ok(server.requests.length < 15, `${server.requests.length} requests`);
    assert.equal((sent().at(-1)!.body!.series as { count: number }).count, 1_000);
  });

  it('limits Events per object, without blocking Events of other objects', async () => {
    for (let i = 0; i < 100; i++) recorder.record(event({ note: `note ${i}` }));
    recorder.record(event({ note: 'of another', ...about('u2') }));
    await recorder.flush();
    assert.equal(server.requests.length, 26);
    assert.equal(sent().at(-1)!.body?.note, 'of another');
  });

  it('creates a deleted Event again when it repeats', async () => {
    recorder.record(event());
    await recorder.flush();
    const { namespace, name } = sent()[0]!.body!.metadata;
    server.remove(`${namespace}/${name}`);
    recorder.record(event());
    recorder.record(event());
    await recorder.flush();
    assert.deepEqual(
      sent().map(({ operation }) => operation),
      ['create', 'patch', 'create', 'patch'],
    );
  });

  it('does not throw when a request fails, and sends later Events', async () => {
    server.fail({ operation: 'create', status: 403 });
    recorder.record(event());
    await recorder.flush();
    server.mode = 'refusing';
    recorder.record(event({ note: 'not delivered' }));
    await recorder.flush();
    server.mode = 'up';
    recorder.record(event({ note: 'heard again' }));
    await recorder.flush();
    assert.equal(sent().at(-1)!.body?.note, 'heard again');
  });

  it('returns immediately and keeps a bounded backlog while the API server does not respond', async () => {
    server.mode = 'hanging';
    const startedAt = performance.now();
    for (let i = 0; i < 2_500; i++) recorder.record(event({ note: `note ${i}`, ...about(`u${i}`) }));
    assert.ok(performance.now() - startedAt < 500);
    while (server.requests.length === 0) await sleep(5);
    server.mode = 'up';
    await recorder.flush();
    assert.equal(server.requests.length, 2_000);
    assert.equal(sent().at(-1)!.body?.note, 'note 1999');
  });

  it('truncates the note and the name to the limits of the API', async () => {
    const long = `${'a'.repeat(199)}.${'b'.repeat(53)}`;
    const { regarding } = event();
    recorder.record(
      event({
        note: 'é'.repeat(2_000),
        regarding: { ...regarding, metadata: { ...regarding.metadata, name: long } },
      }),
    );
    await recorder.flush();
    const { body } = sent()[0]!;
    assert.ok(Buffer.byteLength(String(body?.note)) <= 1_024);
    assert.ok(String(body?.note).endsWith('é…'));
    const name = body?.metadata.name ?? '';
    assert.ok(name.length <= 253, `${name.length} characters`);
    assert.match(name, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
  });
});
