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

  async function work(from: WebhookOutbox): Promise<JobRunner> {
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
      reason: 'the receiver returned 503',
      final: true,
    });
    assert.equal(got.length, 3);
  });

  describe('from the table', () => {
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

    it('one that PostgreSQL could not note the end of is sent when it is queued again', async () => {
      const table = new WebhookOutboxTable(domain.database.dataSource);
      let away = true;
      const gone = async () => {
        throw new Error('Connection terminated');
      };
      const flaky: WebhookOutbox = {
        takePending: (limit) => table.takePending(limit),
        load: (id) => (away ? gone() : table.load(id)),
        delivered: (id) => table.delivered(id),
        failed: (id, reason, final) => (away ? gone() : table.failed(id, reason, final)),
      };
      const runner = await work(flaky);
      await domain.record(await domain.createService('shop'));
      const queue = runner.queues.find(({ name }) => name === 'webhook-delivery');
      await eventually('it is a dead letter', async () => (await queue?.getFailedCount()) === 1);
      assert.equal((await message()).status, 'PENDING');
      away = false;
      await domain.sql(`UPDATE webhook_messages SET queued_at = queued_at - interval '3 hours'`);
      await eventually('it is delivered', async () => (await message()).status === 'DELIVERED');
    });

    it('what was given up is sent again when somebody asks for it', async () => {
      await work(new WebhookOutboxTable(domain.database.dataSource));
      failing = 3;
      await domain.record(await domain.createService('shop'));
      await eventually('it is given up', async () => (await message())?.status === 'FAILED');
      const id = toGlobalId('Webhook', webhook);
      const other = toGlobalId('WebhookMessage', crypto.randomUUID());
      const none = await domain.ask(RETRY, { webhook: id, ids: [other] });
      assert.equal(none.retryWebhookMessages.count, 0);
      const { retryWebhookMessages } = await domain.ask(RETRY, { webhook: id, ids: [(await message()).id] });
      assert.deepEqual([retryWebhookMessages.count, retryWebhookMessages.webhook.id], [1, id]);
      await eventually('it is delivered', async () => (await message()).status === 'DELIVERED');
      assert.equal((await domain.ask(RETRY, { webhook: id })).retryWebhookMessages.count, 0);
      const { errors } = await domain.run(RETRY, { webhook: toGlobalId('Webhook', crypto.randomUUID()) });
      assert.deepEqual([errors[0]?.code, errors[0]?.field], ['NOT_FOUND', 'input.webhookId']);
      const { node } = await domain.ask('query ($id: ID!) { node(id: $id) { id __typename } }', {
        id: (await message()).id,
      });
      assert.equal(node.__typename, 'WebhookMessage');
    });

    it('a webhook that is turned off is told no more, and it says so', async () => {
      await domain.record(await domain.createService('shop'));
      await domain.sql('UPDATE webhooks SET enabled = false');
      const runner = await work(new WebhookOutboxTable(domain.database.dataSource));
      await eventually('it is given up', async () => (await message()).status === 'FAILED');
      assert.deepEqual([(await message()).lastError, got], ['the webhook is disabled', []]);
      const queue = runner.queues.find(({ name }) => name === 'webhook-delivery');
      assert.equal(await queue?.getFailedCount(), 0, 'nobody must look after it');
      await domain.sql('UPDATE webhooks SET enabled = true');
      await domain.ask(RETRY, { webhook: toGlobalId('Webhook', webhook) });
      await eventually('it is delivered', async () => (await message()).status === 'DELIVERED');
    });
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
