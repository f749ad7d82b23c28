import assert from 'node:assert/strict';
import { toGlobalId } from '../../../api-server/graphql/relay/global-id.js';
import { DomainUnderTest, OPEN, RECORD } from './domain-under-test.js';

const UNKNOWN_UUID = '00000000-0000-4000-8000-000000000000';

describe('api-server audit log and webhooks', () => {
  let domain: DomainUnderTest;

  before(async () => {
    domain = await DomainUnderTest.start();
  });
  beforeEach(() => domain.clear());
  after(() => domain?.close());

  describe('audit log', () => {
    /** Returns mutations that each change a record. */
    async function changes(): Promise<[mutation: string, variables: object][]> {
      const { createService: web } = await domain.ask(
        'mutation { createService(input: { name: "web" }) { id } }',
      );
      const deployment = await domain.record(web.id);
      const { openIncident: incident } = await domain.ask(OPEN, {
        input: {
          serviceId: web.id,
          environment: 'production',
          title: 't',
          severity: 'LOW',
          idempotencyKey: 'i',
        },
      });
      const { environments } = await domain.ask('{ environments { edges { node { id } } } }');
      const { createWebhook } = await domain.ask(
        'mutation { createWebhook(input: { url: "https://example.com", events: [INCIDENT_OPENED] }) { webhook { id } } }',
      );
      const { createUser: user } = await domain.ask(
        'mutation { createUser(input: { email: "a@example.com", name: "A", role: VIEWER }) { id } }',
      );
      const { createApiKey } = await domain.ask(
        'mutation { createApiKey(input: { name: "a", role: VIEWER }) { apiKey { id } } }',
      );
      await domain.sql('TRUNCATE audit_events');
      const mutationOf = (name: string, input: object): [string, object] => [
        `mutation ($input: ${name[0]?.toUpperCase()}${name.slice(1)}Input!) { ${name}(input: $input) { __typename } }`,
        { input },
      ];
      const webhook = createWebhook.webhook.id;
      return [
        mutationOf('createService', { name: 'db' }),
        mutationOf('updateService', { id: web.id, owner: 'me' }),
        mutationOf('createEnvironment', { name: 'qa' }),
        mutationOf('updateEnvironment', { id: environments.edges[0].node.id, description: 'd' }),
        mutationOf('archiveEnvironment', { id: environments.edges[0].node.id }),
        mutationOf('createRelease', { serviceId: web.id, version: '7' }),
        mutationOf('updateDeployment', { id: deployment, weight: 5 }),
        mutationOf('finishDeployment', { id: deployment, outcome: 'SUCCEEDED' }),
        mutationOf('recordDeployment', {
          serviceId: web.id,
          environment: 'new',
          version: '8',
          idempotencyKey: 'other',
        }),
        mutationOf('openIncident', {
          serviceId: web.id,
          environment: 'new',
          title: 'u',
          severity: 'LOW',
          idempotencyKey: 'j',
        }),
        mutationOf('updateIncident', { id: incident.id, title: 'v' }),
        mutationOf('resolveIncident', { id: incident.id }),
        mutationOf('archiveService', { id: web.id }),
        mutationOf('createWebhook', { url: 'https://example.com/2', events: ['INCIDENT_OPENED'] }),
        mutationOf('updateWebhook', { id: webhook, description: 'd' }),
        mutationOf('rotateWebhookSecret', { id: webhook }),
        mutationOf('retryWebhookMessages', { webhookId: webhook }),
        mutationOf('deleteWebhook', { id: webhook }),
        mutationOf('createUser', { email: 'b@example.com', name: 'B', role: 'ADMIN' }),
        mutationOf('updateUser', { id: user.id, name: 'AA' }),
        mutationOf('setUserPassword', { id: user.id, password: 'a long password of A' }),
        mutationOf('createApiKey', { name: 'b', role: 'VIEWER' }),
        mutationOf('updateApiKey', { id: createApiKey.apiKey.id, name: 'c' }),
        mutationOf('revokeApiKey', { id: createApiKey.apiKey.id }),
      ];
    }
    const isAuditStatement = (text: string) => /jsonb_to_recordset/.test(text);

    it('writes the audit event in the statement of the change, for every mutation', async () => {
      const all = await changes();
      const tried = new Set(all.map(([mutation]) => /\{ (\w+)\(/.exec(mutation)?.[1]));
      const there = Object.keys(domain.modules.schema.getMutationType()?.getFields() ?? {});
      assert.deepEqual([...tried].sort(), there.sort(), 'a mutation has no test case');
      for (const [mutation, variables] of all) {
        const { errors, statements } = await domain.run(mutation, variables);
        assert.deepEqual(errors, [], mutation);
        assert.ok(
          !statements.some(isAuditStatement),
          `${mutation} writes its audit event in another statement`,
        );
      }
      const { auditEvents } = await domain.ask(
        '{ auditEvents(first: 100) { edges { node { action actor outcome subject input } } } }',
      );
      const entries = auditEvents.edges.map(({ node }: { node: Record<string, unknown> }) => node);
      assert.equal(entries.length, all.length);
      for (const { action, actor, outcome, subject, input } of entries) {
        assert.deepEqual([actor, outcome], ['open', 'SUCCEEDED'], String(action));
        assert.equal(typeof input, 'object');
        const { node } = await domain.ask('query ($id: ID!) { node(id: $id) { __typename } }', {
          id: subject,
        });
        if (action !== 'deleteWebhook' && !/Webhook/.test(String(action))) assert.ok(node, String(action));
      }
    });

    it('rolls back the change if the audit event cannot be written', async () => {
      const all = await changes();
      const tables = [
        'services',
        'environments',
        'releases',
        'deployments',
        'incidents',
        'webhooks',
        'users',
        'api_keys',
      ];
      const content = async () =>
        Promise.all(tables.map((table) => domain.sql(`SELECT * FROM ${table} ORDER BY id`)));
      const before = await content();
      await domain.sql('ALTER TABLE audit_events ADD CONSTRAINT none CHECK (false)');
      try {
        for (const [mutation, variables] of all) {
          const { errors } = await domain.run(mutation, variables);
          assert.equal(errors.length, 1, mutation);
        }
        assert.deepEqual(await content(), before);
      } finally {
        await domain.sql('ALTER TABLE audit_events DROP CONSTRAINT none');
      }
    });

    it('records mutations that changed nothing', async () => {
      const web = await domain.createService('web');
      await domain.sql('TRUNCATE audit_events');
      const input = { serviceId: web, environment: 'production', version: '1', idempotencyKey: 'k' };
      for (const version of ['1', '1', '2']) await domain.run(RECORD, { input: { ...input, version } });
      const release = 'mutation ($input: CreateReleaseInput!) { createRelease(input: $input) { id } }';
      await domain.ask(release, { input: { serviceId: web, version: '1' } });
      const entries = await domain.sql<{ outcome: string; subject: string | null }>(
        'SELECT outcome, subject FROM audit_events ORDER BY occurred_at',
      );
      assert.deepEqual(
        entries.map(({ outcome, subject }) => [outcome, subject !== null]),
        [
          ['SUCCEEDED', true],
          ['SUCCEEDED', true],
          ['FAILED', false],
          ['SUCCEEDED', true],
        ],
      );
    });
  });

  describe('webhooks', () => {
    const CREATE = `mutation ($input: CreateWebhookInput!) {
      createWebhook(input: $input) { secret webhook { id url enabled events } } }`;
    const input = { url: 'https://example.com/hook', events: ['DEPLOYMENT_FINISHED'] };

    it('return the secret only when it is created or rotated', async () => {
      const { createWebhook } = await domain.ask(CREATE, { input });
      assert.match(createWebhook.secret, /^whsec_[\w+/]{43}=$/);
      assert.equal(domain.modules.schema.getType('Webhook')?.toString(), 'Webhook');
      const { errors } = await domain.run('{ webhooks { edges { node { id secret } } } }');
      assert.match(errors[0]!.message, /Cannot query field "secret"/);
      const { rotateWebhookSecret } = await domain.ask(
        'mutation ($id: ID!) { rotateWebhookSecret(input: { id: $id }) { secret webhook { previousSecretExpires } } }',
        { id: createWebhook.webhook.id },
      );
      assert.notEqual(rotateWebhookSecret.secret, createWebhook.secret);
      assert.ok(Date.parse(rotateWebhookSecret.webhook.previousSecretExpires) > Date.now());
    });

    for (const [defect, more, field] of [
      ['plain HTTP', { url: 'http://example.com/hook' }, 'input.url'],
      ['an address in a private network', { url: 'https://10.0.0.1/hook' }, 'input.url'],
      ['a password in the URL', { url: 'https://user:word@example.com' }, 'input.url'],
      ['an invalid URL', { url: 'hello' }, 'input.url'],
      ['an empty list of events', { events: [] }, 'input.events'],
    ] as const) {
      it(`reject ${defect}`, async () => {
        assert.deepEqual(await domain.refusalOf(CREATE, { input: { ...input, ...more } }), [
          'BAD_USER_INPUT',
          field,
        ]);
      });
    }

    it('receive only matching events, which are queued in the transaction of the change', async () => {
      const web = await domain.createService('web');
      const db = await domain.createService('db');
      await domain.ask(CREATE, { input });
      await domain.ask(CREATE, { input: { ...input, url: 'https://example.com/db', serviceId: db } });
      await domain.ask(CREATE, {
        input: { ...input, url: 'https://example.com/staging', environment: 'staging' },
      });
      await domain.finish(await domain.record(web));
      const { webhooks } = await domain.ask(
        '{ webhooks { edges { node { url messages { totalCount edges { node { messageId status attempts } } } } } } }',
      );
      const counts = webhooks.edges.map(
        ({ node }: { node: { messages: { totalCount: number } } }) => node.messages.totalCount,
      );
      assert.deepEqual(counts, [1, 0, 0]);
      assert.equal(webhooks.edges[0].node.messages.edges[0].node.status, 'PENDING');
    });

    it('can be moved to another service and environment', async () => {
      const web = await domain.createService('web');
      const { createWebhook } = await domain.ask(CREATE, { input: { ...input, environment: 'qa' } });
      const UPDATE =
        'mutation ($input: UpdateWebhookInput!) { updateWebhook(input: $input) { environmentName service { name } } }';
      const { id } = createWebhook.webhook;
      const first = await domain.ask(UPDATE, { input: { id, serviceId: web } });
      assert.deepEqual(
        [first.updateWebhook.environmentName, first.updateWebhook.service.name],
        ['qa', 'web'],
      );
      const then = await domain.ask(UPDATE, { input: { id, serviceId: null, environment: null } });
      assert.deepEqual({ ...then.updateWebhook }, { environmentName: null, service: null });
      const unknown = { id, serviceId: toGlobalId('Service', UNKNOWN_UUID) };
      assert.deepEqual(await domain.refusalOf(UPDATE, { input: unknown }), ['NOT_FOUND', 'input.serviceId']);
    });

    it('are deleted with their messages', async () => {
      const web = await domain.createService('web');
      const { createWebhook } = await domain.ask(CREATE, { input });
      await domain.finish(await domain.record(web));
      const { id } = createWebhook.webhook;
      await domain.ask('mutation ($id: ID!) { deleteWebhook(input: { id: $id }) { id } }', { id });
      assert.deepEqual(await domain.sql('SELECT id FROM webhook_messages'), []);
      assert.deepEqual(
        await domain.refusalOf('mutation ($id: ID!) { deleteWebhook(input: { id: $id }) { id } }', { id }),
        ['NOT_FOUND', 'input.id'],
      );
    });
  });
});
