import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { loadSettings } from '../../../api-server/config/load.js';
import { WebhookOutboxTable } from '../../../api-server/modules/webhooks/webhook-outbox.js';
import { JobRunner } from '../../../api-server/platform/jobs/job-runner.js';
import { type WebhookOutbox, webhookJobs } from '../../../api-server/platform/jobs/webhook-delivery.js';
import { jobMetrics } from '../../../api-server/platform/metrics/job-metrics.js';
import { createRedis } from '../../../api-server/platform/redis/redis.js';
import { type WebhookMessage, WebhookSender } from '../../../api-server/platform/webhooks/sender.js';
import { isSignedBy, type SignedHeaders } from '../../../api-server/platform/webhooks/signature.js';
import { eventually } from '../../support/pcf-api.js';
import { startRedis, type TestRedis } from '../../support/redis.js';
import { DomainUnderTest } from './domain-under-test.js';

const SECRET = `whsec_${Buffer.from('a secret that nobody else knows').toString('base64')}`;

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
}

/** An outbox in memory; the messages' table is the domain's. */
class Outbox implements WebhookOutbox {
  readonly messages = new Map<string, WebhookMessage>();
  readonly queued = new Set<string>();
  readonly done = new Set<string>();
  readonly failures: { id: string; reason: string; final: boolean }[] = [];

  async takePending(limit: number): Promise<string[]> {
    const ids = [...this.messages.keys()].filter((id) => !this.queued.has(id)).slice(0, limit);
    for (const id of ids) this.queued.add(id);
    return ids;
  }

  async load(id: string): Promise<WebhookMessage | null> {
    return this.done.has(id) ? null : (this.messages.get(id) ?? null);
  }

  async delivered(id: string): Promise<void> {
    this.done.add(id);
  }

  async failed(id: string, reason: string, final: boolean): Promise<void> {
    this.failures.push({ id, reason, final });
  }
}

describe('api-server webhook delivery', () => {
  let redis: TestRedis | undefined;
  let receiver: Server;
  let got: string[];
  let received: Received[];
  let failing: number;
  let outbox: Outbox;
  let close: (() => Promise<void>) | undefined;

  before(async function () {
    this.timeout(240_000);
    redis = await startRedis();
    if (!redis) return this.skip();
  });
  beforeEach(async () => {
    [got, received, failing, outbox] = [[], [], 0, new Outbox()];
    receiver = createServer((request, response) => {
      void text(request).then((body) => {
        got.push(String(request.headers['webhook-id']));
        received.push({ headers: request.headers, body });
        response.writeHead(failing-- > 0 ? 503 : 204).end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    await close?.();
    receiver.closeAllConnections();
    receiver.close();
  });
  after(() => redis?.stop());

  async function work(from: WebhookOutbox): Promise<void> {
    const settings = await loadSettings({
      PCF_API__DATABASE__URL: 'postgresql://localhost/none',
      PCF_API__REDIS__URL: redis!.url,
      PCF_CONFIG_DIR: '/nonexistent',
    });
    const log = pino({ level: 'silent' });
    const client = createRedis(settings, log, 'waiting');
    assert.ok(client);
    await client.flushall();
    const worker = { ...settings.worker, retry_initial: 20, attempts: 3 };
    const runner = new JobRunner({
      redis: client,
      settings: worker,
      metrics: jobMetrics(new Registry()),
      log,
    });
    const sender = new WebhookSender({ timeoutMs: 1_000, allowPrivate: true });
    const [relay, deliver] = webhookJobs({
      outbox: from,
      sender,
      enqueue: (name, data, id) => runner.enqueue(name, data, id),
    });
    runner.add(deliver);
    runner.add(relay);
    runner.start();
    close = async () => {
      await runner.close(2_000);
      client.disconnect();
      await sender.close();
    };
  }

  const address = () => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  const add = (id: string) =>
    outbox.messages.set(id, { id, url: address(), secrets: ['secret'], body: '{}' });

  it('what is in the outbox is delivered, once when all goes well', async () => {
    await work(outbox);
    for (let index = 0; index < 50; index += 1) add(`message-${index}`);
    await eventually('all are delivered', () => outbox.done.size === 50);
    assert.deepEqual([...got].sort(), [...outbox.messages.keys()].sort());
  });

  it('a receiver that fails gets it again under the same id', async () => {
    await work(outbox);
    failing = 2;
    add('again');
    await eventually('it is delivered', () => outbox.done.has('again'));
    assert.deepEqual(got, ['again', 'again', 'again']);
    assert.deepEqual(
      outbox.failures.map(({ final }) => final),
      [false, false],
    );
  });

  it('a receiver that never takes it makes it a dead letter, and the outbox knows why', async () => {
    await work(outbox);
    failing = 100;
    add('dead');
    await eventually('it is given up', () => outbox.failures.some(({ final }) => final));
    assert.deepEqual(outbox.failures.at(-1), {
      id: 'dead',
      reason: 'the receiver answered 503',
      final: true,
    });
    assert.equal(got.length, 3);
  });

  it('a deployment that is recorded is told of, signed, and the API says that it was', async function () {
    this.timeout(60_000);
    const domain = await DomainUnderTest.start();
    try {
      await domain.sql(
        'INSERT INTO webhooks (id, url, events, secret, enabled) VALUES ($1, $2, $3, $4, true)',
        [crypto.randomUUID(), address(), ['DEPLOYMENT_RECORDED'], SECRET],
      );
      await work(new WebhookOutboxTable(domain.database.dataSource));
      const deployment = await domain.record(await domain.createService('shop'));
      const messages = async () => {
        const { webhooks } = await domain.ask(
          '{ webhooks { edges { node { messages { edges { node { messageId status attempts } } } } } } }',
        );
        return webhooks.edges[0].node.messages.edges.map(({ node }: { node: object }) => ({ ...node }));
      };
      await eventually('it is delivered', async () => (await messages())[0]?.status === 'DELIVERED');
      const [{ headers, body }] = received as [Received];
      assert.equal(JSON.parse(body).type, 'DEPLOYMENT_RECORDED');
      assert.equal(JSON.parse(body).data.id, deployment);
      assert.ok(isSignedBy(SECRET, headers as unknown as SignedHeaders, body));
      assert.deepEqual(await messages(), [{ messageId: got[0], status: 'DELIVERED', attempts: 1 }]);
    } finally {
      await close?.();
      close = undefined;
      await domain.close();
    }
  });
});
