import assert from 'node:assert/strict';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { notifications } from '../../../operator/api/v1alpha1/spec/notifications.js';
import { LinkKeysError } from '../../../operator/notify/approval-links.js';
import type { DeliveryEvent } from '../../../operator/notify/event.js';
import { notifyMetrics } from '../../../operator/notify/notification-metrics.js';
import { Notifier, type NotifierOptions } from '../../../operator/notify/notifier.js';
import type { EventInput } from '../../../operator/runtime/events.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { secretsFrom } from '../../support/fixtures/secrets.js';
import { HttpEndpoint } from '../../support/servers/http-endpoint.js';

const SECRET_PATH = '/services/T0/B0/hush-hush';

describe('Notifier', () => {
  let endpoint: HttpEndpoint;
  let log: string[];
  let events: EventInput[];
  let registry: Registry;
  let notifier: Notifier;
  const secrets: Record<string, Record<string, string>> = {};
  const api = pcfApi();

  before(async () => {
    endpoint = await HttpEndpoint.start(true);
  });
  after(() => endpoint.stop());

  beforeEach(() => {
    endpoint.requests.length = 0;
    endpoint.answer = {};
    secrets.slack = { url: `${endpoint.url}${SECRET_PATH}` };
    secrets.grafana = { token: 'glsa_hush' };
    secrets.ca = { 'ca.crt': endpoint.ca };
    events = [];
    log = [];
    start();
  });
  afterEach(() => {
    notifier.stop();
    assert.doesNotMatch(`${log.join('')}${JSON.stringify(events)}`, /hush|127\.0\.0\.1:\d+\/services/);
  });

  function start(options: Partial<NotifierOptions> = {}) {
    registry = new Registry();
    notifier = new Notifier({
      secrets: secretsFrom(secrets),
      events: { record: (event) => events.push(event) },
      metrics: notifyMetrics(registry),
      logger: pino({ level: 'trace' }, { write: (line: string) => log.push(line) }),
      backoff: { baseMs: 5, maxMs: 20, jitter: 0.5 },
      deadlineMs: 5_000,
      ...options,
    });
  }

  const tls = { caSecretRef: { name: 'ca' } };
  const slack = { name: 'team', urlSecretRef: { name: 'slack' }, tls };
  const toSlack = notifications.parse({ webhooks: [slack] });

  function event(type: DeliveryEvent['type'], given: Partial<DeliveryEvent> = {}): DeliveryEvent {
    return { type, revision: 'api-new', at: '2026-11-23T12:00:00.000Z', ...given };
  }

  async function count(metric: string): Promise<number> {
    return Number(new RegExp(`^${metric} (\\d+)$`, 'm').exec(await registry.metrics())?.[1] ?? 0);
  }

  it('sends escaped text with image, previous revision and user to Slack', async () => {
    const reason = 'errors: 3 is more than 1 <!channel> & so on';
    notifier.notify(
      api,
      toSlack,
      event('Aborted', { reason, image: 'pcf-api:2', from: 'api-old', by: 'ann' }),
    );
    await notifier.flush();
    assert.equal(endpoint.requests[0]?.path, SECRET_PATH);
    const text = 'platform/api: api-new was aborted: errors: 3 is more than 1 &lt;!channel&gt; &amp; so on';
    const field = (title: string, value: string) => ({ title, value, short: true });
    assert.deepEqual(endpoint.bodies, [
      {
        text,
        attachments: [
          {
            color: 'danger',
            fallback: text,
            fields: [field('Image', 'pcf-api:2'), field('Before', 'api-old'), field('By', 'ann')],
            footer: 'pcf-operator',
            ts: 1_795_435_200,
          },
        ],
      },
    ]);
    assert.equal(await count('pcf_notifications_total\\{kind="webhook",outcome="sent"\\}'), 1);
  });

  it('creates an annotation in Grafana', async () => {
    const grafana = { url: `${endpoint.url}/`, tokenSecretRef: { name: 'grafana' }, tags: ['shop'], tls };
    const spec = notifications.parse({ grafana: { ...grafana, dashboardUID: 'abc', panelId: 2 } });
    notifier.notify(api, spec, event('Promoted', { image: 'pcf-api:2' }));
    await notifier.flush();
    const [{ method, path, headers }] = endpoint.requests as [(typeof endpoint.requests)[0]];
    assert.deepEqual([method, path, headers.authorization], ['POST', '/api/annotations', 'Bearer glsa_hush']);
    assert.deepEqual(endpoint.bodies, [
      {
        time: Date.parse('2026-11-23T12:00:00Z'),
        tags: ['pcf', 'deployment', 'production', 'promoted', 'namespace:platform', 'name:api', 'shop'],
        text: 'platform/api: api-new was promoted\npcf-api:2',
        dashboardUID: 'abc',
        panelId: 2,
      },
    ]);
  });

  it('adds approval links to the messages of webhooks, and none to Grafana', async () => {
    const grafana = {
      url: endpoint.url,
      tokenSecretRef: { name: 'grafana' },
      tls,
      events: ['ApprovalRequested'],
    };
    const webhooks = [{ ...slack, events: ['ApprovalRequested'] }];
    const expireAt = '2026-11-24T12:00:00.000Z';
    start({
      links: {
        linksFor: async (_api, { approval }, webhook) =>
          approval && {
            approve: `https://pcf.example.com/#${webhook}-hush-1`,
            abort: `https://pcf.example.com/#${webhook}-hush-2`,
            expireAt: approval.linksExpireAt,
          },
      },
    });
    const approval = { id: 'api-new@1/Canary/0/2', linksExpireAt: expireAt };
    const spec = notifications.parse({ webhooks, grafana, approvalLinks: {} });
    notifier.notify(api, spec, event('ApprovalRequested', { reason: 'step 1 of 2', approval }));
    await notifier.flush();
    const text = ({ attachments }: Record<string, unknown>) => (attachments as { text: string }[])[0]?.text;
    const toWebhook = endpoint.bodies.find(({ attachments }) => attachments)!;
    assert.equal(toWebhook.text, 'platform/api: api-new waits for its manual promotion: step 1 of 2');
    assert.equal(
      text(toWebhook),
      '<https://pcf.example.com/#team-hush-1|Approve> or <https://pcf.example.com/#team-hush-2|Abort>, until 2026-11-24T12:00:00Z',
    );
    const toGrafana = endpoint.bodies.find(({ attachments }) => !attachments)!;
    assert.doesNotMatch(JSON.stringify(toGrafana), /hush/);
  });

  it('sends a message without links if their keys cannot be used, reports it, and retries after other errors', async () => {
    const errors = [
      new Error('connect ECONNREFUSED'),
      new LinkKeysError('Secret pcf-system/keys has no key'),
    ];
    let attempts = 0;
    start({
      links: {
        linksFor: async () => {
          throw errors[attempts++];
        },
      },
    });
    const approval = { id: 'api-new@1/Canary/0/2', linksExpireAt: '2026-11-24T12:00:00.000Z' };
    const webhooks = [{ ...slack, events: ['ApprovalRequested'] }];
    const spec = notifications.parse({ webhooks, approvalLinks: {} });
    notifier.notify(api, spec, event('ApprovalRequested', { approval }));
    await notifier.flush();
    assert.equal(attempts, 2);
    assert.equal(endpoint.bodies.length, 1);
    assert.doesNotMatch(JSON.stringify(endpoint.bodies), /Approve/);
    assert.deepEqual(
      events.map(({ reason, note }) => [reason, note]),
      [
        [
          'ApprovalLinksOmitted',
          'notification ApprovalRequested of api-new to webhook team was sent without approval links: Secret pcf-system/keys has no key',
        ],
      ],
    );
  });

  it('sends only the events that a webhook selects', async () => {
    const spec = notifications.parse({ webhooks: [{ ...slack, events: ['Aborted'] }] });
    notifier.notify(api, spec, event('Started'));
    notifier.notify(api, spec, event('Aborted'));
    notifier.notify(api, undefined, event('Failed'));
    await notifier.flush();
    assert.deepEqual(
      endpoint.bodies.map(({ text }) => text),
      ['platform/api: api-new was aborted'],
    );
  });

  it('sends an event once, also if it is reported repeatedly', async () => {
    for (let times = 0; times < 3; times++) notifier.notify(api, toSlack, event('Started'));
    await notifier.flush();
    notifier.notify(api, toSlack, event('Started'));
    notifier.notify(api, toSlack, event('Started', { at: '2026-11-23T13:00:00.000Z' }));
    await notifier.flush();
    const keys = endpoint.requests.map(({ headers }) => headers['idempotency-key']);
    assert.deepEqual(keys, [
      'uid-1/api-new/Started/2026-11-23T12:00:00.000Z',
      'uid-1/api-new/Started/2026-11-23T13:00:00.000Z',
    ]);
  });

  it('delivers notifications in order after the endpoint recovered', async () => {
    endpoint.answer = { status: 503 };
    notifier.notify(api, toSlack, event('Started'));
    notifier.notify(api, toSlack, event('Promoted'));
    await eventually('three attempts', () => endpoint.requests.length >= 3);
    const attempts = endpoint.requests.length;
    endpoint.answer = { body: 'ok' };
    await notifier.flush();
    const texts = endpoint.bodies.map(({ text }) => text);
    assert.ok(texts.slice(0, -1).every((text) => text === 'platform/api: api-new is being delivered'));
    assert.equal(texts.at(-1), 'platform/api: api-new was promoted');
    assert.ok(texts.length <= attempts + 3);
    assert.equal(await count('pcf_notifications_total\\{kind="webhook",outcome="sent"\\}'), 2);
    assert.deepEqual(events, []);
  });

  it('does not block the caller or another destination when an endpoint hangs', async () => {
    const hanging = await HttpEndpoint.start(true);
    hanging.answer = 'hang';
    secrets.hanging = { url: hanging.url };
    const unresponsive = {
      ...slack,
      name: 'deaf',
      urlSecretRef: { name: 'hanging' },
      tls: { insecureSkipVerify: true },
    };
    const startedAt = performance.now();
    notifier.notify(api, notifications.parse({ webhooks: [unresponsive, slack] }), event('Started'));
    assert.ok(performance.now() - startedAt < 50);
    await eventually('the other endpoint received the notification', () => endpoint.requests.length === 1);
    await eventually('the first request was sent', () => hanging.requests.length === 1);
    notifier.stop();
    await notifier.flush();
    await hanging.stop();
  });

  it('drops a notification at the deadline, with an Event and a counter', async () => {
    start({ deadlineMs: 500 });
    endpoint.answer = { status: 500, body: SECRET_PATH };
    notifier.notify(api, toSlack, event('Aborted'));
    await notifier.flush();
    assert.ok(endpoint.requests.length >= 2, 'the request was retried');
    assert.equal(await count('pcf_notifications_total\\{kind="webhook",outcome="dropped"\\}'), 1);
    const [{ reason, type, note }] = events as [EventInput];
    assert.deepEqual([reason, type], ['NotificationDropped', 'Warning']);
    assert.equal(
      note,
      'notification Aborted of api-new to webhook team was dropped: webhook team returned status 500',
    );
  });

  it('drops a notification immediately after a 404, and sends the next one', async () => {
    endpoint.answer = () => (endpoint.requests.length === 1 ? { status: 404 } : {});
    notifier.notify(api, toSlack, event('Started'));
    notifier.notify(api, toSlack, event('Promoted'));
    await notifier.flush();
    assert.equal(endpoint.requests.length, 2);
    assert.match(
      events[0]!.note,
      /notification Started of api-new to webhook team was dropped: webhook team returned status 404/,
    );
  });

  it('drops a notification when Retry-After exceeds the deadline', async () => {
    start({ deadlineMs: 500 });
    endpoint.answer = { status: 429, headers: { 'retry-after': '3600' } };
    notifier.notify(api, toSlack, event('Started'));
    await notifier.flush();
    assert.equal(endpoint.requests.length, 1, 'an hour is longer than the deadline');
    assert.match(events[0]!.note, /returned status 429/);
  });

  it('reports an invalid Secret, and uses it after it is fixed', async () => {
    start({ deadlineMs: 500 });
    delete secrets.slack;
    notifier.notify(api, toSlack, event('Started'));
    await notifier.flush();
    assert.match(events[0]!.note, /Secret platform\/slack does not exist/);
    secrets.slack = { url: `http://127.0.0.1/${SECRET_PATH}` };
    notifier.notify(api, toSlack, event('Promoted'));
    await notifier.flush();
    assert.match(events[1]!.note, /key "url" of Secret platform\/slack contains no https URL/);
    secrets.slack = { url: `${endpoint.url}${SECRET_PATH}` };
    notifier.notify(api, toSlack, event('Aborted'));
    await notifier.flush();
    assert.equal(endpoint.requests.length, 1);
  });

  it('drops notifications that exceed the capacity of the queue', async () => {
    start({ capacity: 2 });
    endpoint.answer = 'hang';
    for (const type of ['Started', 'Promoted', 'Aborted'] as const)
      notifier.notify(api, toSlack, event(type));
    assert.match(
      events[0]!.note,
      /notification Aborted of api-new to webhook team was dropped: too many queued notifications/,
    );
    assert.equal(await count('pcf_notifications_pending'), 2);
  });

  it('stop() cancels pending notifications immediately', async () => {
    endpoint.answer = 'hang';
    notifier.notify(api, toSlack, event('Started'));
    notifier.notify(api, toSlack, event('Promoted'));
    await eventually('the first request was sent', () => endpoint.requests.length === 1);
    notifier.stop();
    await notifier.flush();
    notifier.notify(api, toSlack, event('Aborted'));
    assert.equal(endpoint.requests.length, 1);
    assert.deepEqual(events, []);
  });
});
