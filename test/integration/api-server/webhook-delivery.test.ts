import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { loadSettings } from '../../../api-server/config/load.js';
import { toGlobalId } from '../../../api-server/graphql/relay/global-id.js';
import { jobMetrics } from '../../../api-server/jobs/job-metrics.js';
import { JobRunner } from '../../../api-server/jobs/job-runner.js';
import { type WebhookMessage, WebhookSender } from '../../../api-server/modules/webhooks/sender.js';
import { isSignedBy, type SignedHeaders } from '../../../api-server/modules/webhooks/signature.js';
import {
  type PendingMessage,
  type WebhookOutbox,
  webhookJobs,
} from '../../../api-server/modules/webhooks/webhook-delivery.js';
import { WebhookOutboxTable } from '../../../api-server/modules/webhooks/webhook-outbox.js';
import { createRedis } from '../../../api-server/redis/redis.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { startRedis, type TestRedis } from '../../support/servers/redis.js';
import { DomainUnderTest } from './domain-under-test.js';

const SECRET = `whsec_${Buffer.from('a signing secret for the tests only').toString('base64')}`;

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
}

/** In-memory outbox. Other tests use the outbox table of the domain. */
class Outbox implements WebhookOutbox {
  readonly messages = new Map<string, WebhookMessage>();
  readonly queued = new Set<string>();
  readonly done = new Set<string>();
  readonly failures: { id: string; reason: string; final: boolean }[] = [];

  async takePending(limit: number): Promise<PendingMessage[]> {
    const ids = [...this.messages.keys()].filter((id) => !this.queued.has(id)).slice(0, limit);
    for (const id of ids) this.queued.add(id);
    return ids.map((id) => ({ id, again: false, trace: {} }));
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
  let receivedIds: string[];
  let received: Received[];
  let failing: number;
  let outbox: Outbox;
  let close: (() => Promise<void>) | undefined;

  before(async function () {
    redis = await startRedis();
    if (!redis) return this.skip();
  });
  beforeEach(async () => {
    [receivedIds, received, failing, outbox] = [[], [], 0, new Outbox()];
    receiver = createServer((request, response) => {
      void text(request).then((body) => {
        receivedIds.push(String(request.headers['webhook-id']));
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

  async function startWorker(from: WebhookOutbox): Promise<JobRunner> {
    const settings = await loadSettings({
      PCF_API__DATABASE__URL: 'postgresql://localhost/none',
      PCF_API__REDIS__URL: redis!.url,
      PCF_CONFIG_DIR: '/nonexistent',
    });
    const log = pino({ level: 'silent' });
    const client = createRedis(settings, log, 'waiting');
    assert.ok(client);
    await client.flushall();
    const runner = new JobRunner({
      redis: client,
      settings: { ...settings.worker, attempts: 1 },
      metrics: jobMetrics(new Registry()),
      log,
    });
    const sender = new WebhookSender({ timeoutMs: 1_000, allowPrivate: true });
    const [relay, deliver] = webhookJobs({
      outbox: from,
      sender,
      retries: { attempts: 3, initialMs: 20, maxMs: 100 },
      enqueue: (name, data, options) => runner.enqueue(name, data, options),
    });
    runner.add(deliver);
    runner.add(relay);
    runner.start();
    close = async () => {
      await runner.close(2_000);
      client.disconnect();
      await sender.close();
    };
    return runner;
  }

  const address = () => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  const add = (id: string) =>
    outbox.messages.set(id, { id, url: address(), secrets: ['secret'], body: '{}' });

  it('delivers each message of the outbox once if the receiver accepts it', async () => {
    await startWorker(outbox);
    for (let index = 0; index < 50; index += 1) add(`message-${index}`);
    await eventually('all messages are delivered', () => outbox.done.size === 50);
    assert.deepEqual([...receivedIds].sort(), [...outbox.messages.keys()].sort());
  });

  it('retries a failed delivery with the same message ID', async () => {
    await startWorker(outbox);
    failing = 2;
    add('again');
    await eventually('the message is delivered', () => outbox.done.has('again'));
    assert.deepEqual(receivedIds, ['again', 'again', 'again']);
    assert.deepEqual(
      outbox.failures.map(({ final }) => final),
      [false, false],
    );
  });

  it('a message becomes a dead letter after the last attempt, and the outbox records the reason', async () => {
    await startWorker(outbox);
    failing = 100;
    add('dead');
    await eventually('the last attempt has failed', () => outbox.failures.some(({ final }) => final));
    assert.deepEqual(outbox.failures.at(-1), {
      id: 'dead',
      reason: 'the receiver returned 503',
      final: true,
    });
    assert.equal(receivedIds.length, 3);
  });

  describe('with the outbox table', () => {
    let domain: DomainUnderTest;
    let webhook: string;

    before(async () => {
      domain = await DomainUnderTest.start();
    });
    beforeEach(async () => {
      await domain.clear();
      webhook = crypto.randomUUID();
      await domain.sql(
        'INSERT INTO webhooks (id, url, events, secret, enabled) VALUES ($1, $2, $3, $4, true)',
        [webhook, address(), ['DEPLOYMENT_RECORDED'], SECRET],
      );
    });
    after(() => domain?.close());

    const message = async () => {
      const { webhooks } = await domain.ask(
        '{ webhooks { edges { node { messages { edges { node { id messageId status attempts lastError } } } } } } }',
      );
      return webhooks.edges[0].node.messages.edges[0]?.node;
    };
    const RETRY = `mutation ($webhook: ID!, $ids: [ID!]) {
      retryWebhookMessages(input: { webhookId: $webhook, ids: $ids }) { count webhook { id } } }`;

    it('delivers a message after it is queued again, if PostgreSQL was unavailable during the first attempt', async () => {
      const table = new WebhookOutboxTable(domain.database.dataSource);
      let isUnavailable = true;
      const failConnection = async () => {
        throw new Error('Connection terminated');
      };
      const flaky: WebhookOutbox = {
        takePending: (limit) => table.takePending(limit),
        load: (id) => (isUnavailable ? failConnection() : table.load(id)),
        delivered: (id) => table.delivered(id),
        failed: (id, reason, final) => (isUnavailable ? failConnection() : table.failed(id, reason, final)),
      };
      const runner = await startWorker(flaky);
      await domain.record(await domain.createService('shop'));
      const queue = runner.queues.find(({ name }) => name === 'webhook-delivery');
      await eventually('the job is a dead letter', async () => (await queue?.getFailedCount()) === 1);
      assert.equal((await message()).status, 'PENDING');
      isUnavailable = false;
      await domain.sql(`UPDATE webhook_messages SET queued_at = queued_at - interval '3 hours'`);
      await eventually('the message is delivered', async () => (await message()).status === 'DELIVERED');
    });

    it('retryWebhookMessages delivers failed messages', async () => {
      await startWorker(new WebhookOutboxTable(domain.database.dataSource));
      failing = 3;
      await domain.record(await domain.createService('shop'));
      await eventually('the message has failed', async () => (await message())?.status === 'FAILED');
      const id = toGlobalId('Webhook', webhook);
      const other = toGlobalId('WebhookMessage', crypto.randomUUID());
      const none = await domain.ask(RETRY, { webhook: id, ids: [other] });
      assert.equal(none.retryWebhookMessages.count, 0);
      const { retryWebhookMessages } = await domain.ask(RETRY, { webhook: id, ids: [(await message()).id] });
      assert.deepEqual([retryWebhookMessages.count, retryWebhookMessages.webhook.id], [1, id]);
      await eventually('the message is delivered', async () => (await message()).status === 'DELIVERED');
      assert.equal((await domain.ask(RETRY, { webhook: id })).retryWebhookMessages.count, 0);
      const { errors } = await domain.run(RETRY, { webhook: toGlobalId('Webhook', crypto.randomUUID()) });
      assert.deepEqual([errors[0]?.code, errors[0]?.field], ['NOT_FOUND', 'input.webhookId']);
      const { node } = await domain.ask('query ($id: ID!) { node(id: $id) { id __typename } }', {
        id: (await message()).id,
      });
      assert.equal(node.__typename, 'WebhookMessage');
    });

    it('does not deliver messages of a disabled webhook, and records the reason', async () => {
      await domain.record(await domain.createService('shop'));
      await domain.sql('UPDATE webhooks SET enabled = false');
      const runner = await startWorker(new WebhookOutboxTable(domain.database.dataSource));
      await eventually('the message has failed', async () => (await message()).status === 'FAILED');
      assert.deepEqual([(await message()).lastError, receivedIds], ['the webhook is disabled', []]);
      const queue = runner.queues.find(({ name }) => name === 'webhook-delivery');
      assert.equal(await queue?.getFailedCount(), 0, 'there is no dead letter');
      await domain.sql('UPDATE webhooks SET enabled = true');
      await domain.ask(RETRY, { webhook: toGlobalId('Webhook', webhook) });
      await eventually('the message is delivered', async () => (await message()).status === 'DELIVERED');
    });
  });

  it('delivers a signed message of a recorded deployment, and the API reports the delivery', async () => {
    const domain = await DomainUnderTest.start();
    try {
      await domain.sql(
        'INSERT INTO webhooks (id, url, events, secret, enabled) VALUES ($1, $2, $3, $4, true)',
        [crypto.randomUUID(), address(), ['DEPLOYMENT_RECORDED'], SECRET],
      );
      await startWorker(new WebhookOutboxTable(domain.database.dataSource));
      const deployment = await domain.record(await domain.createService('shop'));
      const messages = async () => {
        const { webhooks } = await domain.ask(
          '{ webhooks { edges { node { messages { edges { node { messageId status attempts } } } } } } }',
        );
        return webhooks.edges[0].node.messages.edges.map(({ node }: { node: object }) => ({ ...node }));
      };
      await eventually('the message is delivered', async () => (await messages())[0]?.status === 'DELIVERED');
      const [{ headers, body }] = received as [Received];
      assert.equal(JSON.parse(body).type, 'DEPLOYMENT_RECORDED');
      assert.equal(JSON.parse(body).data.id, deployment);
      assert.ok(isSignedBy(SECRET, headers as unknown as SignedHeaders, body));
      assert.deepEqual(await messages(), [{ messageId: receivedIds[0], status: 'DELIVERED', attempts: 1 }]);
    } finally {
      await close?.();
      close = undefined;
      await domain.close();
    }
  });
});
