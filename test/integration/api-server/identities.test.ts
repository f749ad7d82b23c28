import assert from 'node:assert/strict';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { eventually } from '../../support/cluster/pcf-api.js';
import { bearer, JWT_SECRET, signToken } from '../../support/fixtures/tokens.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { ApiProcess, type GraphqlAnswer, runRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const ME = '{ me { kind name role scopes user { email } apiKey { name } } }';
const CREATE_KEY =
  'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { key apiKey { id prefix scopes createdBy } } }';
const CREATE_USER =
  'mutation ($input: CreateUserInput!) { createUser(input: $input) { id email role disabledAt } }';
const UPDATE_USER =
  'mutation ($input: UpdateUserInput!) { updateUser(input: $input) { id role disabledAt } }';
const CREATE_SERVICE = 'mutation ($name: String!) { createService(input: { name: $name }) { id } }';
const AUDIT = `query ($filter: AuditEventFilter) { auditEvents(filter: $filter) { totalCount edges { node {
  actor actorName role action input subject outcome errorCode requestId } } } }`;

describe('api-server identities', () => {
  let postgres: TestPostgres;
  let url: string;
  let api: ApiProcess;

  const as = async (role: string, query: string, variables: object = {}): Promise<GraphqlAnswer> =>
    api.graphql(query, variables, await bearer({ role, sub: role.toLowerCase() }));
  const withKey = (key: string, query: string, variables: object = {}) =>
    api.graphql(query, variables, { 'x-api-key': key });
  const newKey = async (input: object = {}): Promise<{ key: string; id: string }> => {
    const { data, errors } = await as('ADMIN', CREATE_KEY, {
      input: { name: 'ci', role: 'OPERATOR', ...input },
    });
    assert.deepEqual(errors, []);
    return { key: data.createApiKey.key, id: data.createApiKey.apiKey.id };
  };
  const newUser = async (input: object = {}): Promise<string> => {
    const given = { email: 'ada@example.com', name: 'Ada', role: 'ADMIN', ...input };
    const { data, errors } = await as('ADMIN', CREATE_USER, { input: given });
    assert.deepEqual(errors, []);
    return data.createUser.id;
  };
  const uuidIn = (id: string) => Buffer.from(id, 'base64url').toString().split(':')[1]!;
  const codes = ({ errors }: GraphqlAnswer) => errors.map(({ extensions }) => extensions.code);

  before(async () => {
    postgres = await sharedPostgres();
    url = await migratedDatabase();
    api = await ApiProcess.start({
      PCF_API__DATABASE__URL: url,
      PCF_API__AUTH__OPEN: 'false',
      PCF_API__AUTH__JWT_SECRET: JWT_SECRET,
      PCF_API__AUTH__IDENTITY_CACHE: '200ms',
    });
    await api.waitForReady();
  });
  beforeEach(() =>
    postgres.query('TRUNCATE services, users, refresh_tokens, api_keys, audit_events CASCADE', url),
  );
  after(() => api?.kill());

  describe('roles', () => {
    it('allow a viewer to read, an operator to change data, and an admin to manage users, keys and the audit log', async () => {
      const results = new Map<string, unknown[]>();
      for (const role of ['VIEWER', 'OPERATOR', 'ADMIN']) {
        const read = await as(role, '{ services { totalCount } }');
        const change = await as(role, CREATE_SERVICE, { name: role.toLowerCase() });
        const manage = await as(
          role,
          '{ users { totalCount } apiKeys { totalCount } auditEvents { totalCount } }',
        );
        results.set(role, [codes(read), codes(change), codes(manage)]);
      }
      const three = ['FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN'];
      assert.deepEqual(results.get('VIEWER'), [[], ['FORBIDDEN'], [...new Set(three)]]);
      assert.deepEqual(results.get('OPERATOR'), [[], [], [...new Set(three)]]);
      assert.deepEqual(results.get('ADMIN'), [[], [], []]);
    });

    it('restrict node and nodes in the same way as lists', async () => {
      const ids = [(await newKey()).id, await newUser()];
      const { data } = await as('ADMIN', '{ auditEvents { edges { node { id } } } }');
      ids.push(data.auditEvents.edges[0].node.id);
      for (const id of ids) {
        const query = 'query ($id: ID!) { node(id: $id) { __typename id } }';
        assert.deepEqual(codes(await as('OPERATOR', query, { id })), ['FORBIDDEN']);
        assert.equal((await as('ADMIN', query, { id })).data.node.id, id);
        const nodes = await as('VIEWER', 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: [id] });
        assert.deepEqual(codes(nodes), ['FORBIDDEN']);
      }
    });

    it('return the changed object to a key without the scope READ, but no objects linked from it', async () => {
      const { data } = await as('OPERATOR', CREATE_SERVICE, { name: 'web' });
      const input = { serviceId: data.createService.id, environment: 'production', version: '1' };
      const { key } = await newKey({ scopes: ['DEPLOYMENTS', 'INCIDENTS', 'CATALOG'] });
      const RECORD = 'mutation ($input: RecordDeploymentInput!) { recordDeployment(input: $input)';
      const plain = await withKey(key, `${RECORD} { id status version startedAt } }`, {
        input: { ...input, idempotencyKey: 'a' },
      });
      assert.deepEqual([plain.errors, plain.data.recordDeployment.status], [[], 'IN_PROGRESS']);
      const { id } = plain.data.recordDeployment;
      const UPDATE = 'mutation ($id: ID!) { updateDeployment(input: { id: $id, weight: 5 })';
      const everything =
        'environment { deployments(first: 100) { edges { node { service { name incidents { totalCount } } } } } }';
      for (const selection of [
        everything,
        'service { name }',
        'release { commit }',
        'incidents { totalCount }',
      ]) {
        const response = await withKey(key, `${UPDATE} { id ${selection} } }`, { id });
        assert.deepEqual(codes(response), ['FORBIDDEN'], selection);
        assert.match(response.errors[0]!.message, /requires an API key with the scope READ/);
        assert.doesNotMatch(response.text, /web/);
      }
      const open = `mutation ($input: OpenIncidentInput!) { openIncident(input: $input) { title causedBy { version } } }`;
      const incident = { ...input, version: undefined, title: 'down', severity: 'LOW', deploymentId: id };
      const opened = await withKey(key, open, { input: { ...incident, idempotencyKey: 'a' } });
      assert.deepEqual(codes(opened), ['FORBIDDEN']);
      assert.deepEqual(opened.data.openIncident, { title: 'down', causedBy: null });
    });

    it('name the missing role in the error message', async () => {
      const { status, errors } = await as('VIEWER', CREATE_SERVICE, { name: 'web' });
      assert.equal(status, 200);
      assert.match(errors[0]!.message, /requires the role OPERATOR; the caller has the role VIEWER/);
    });
  });

  describe('API keys', () => {
    it('authenticate clients in either header and are returned only once', async () => {
      const { key } = await newKey({ name: 'delivery', scopes: ['READ', 'DEPLOYMENTS'] });
      assert.match(key, /^pcf_/);
      const expected = {
        kind: 'API_KEY',
        name: 'delivery',
        role: 'OPERATOR',
        scopes: ['READ', 'DEPLOYMENTS'],
        user: null,
        apiKey: { name: 'delivery' },
      };
      assert.deepEqual((await withKey(key, ME)).data.me, expected);
      assert.deepEqual((await api.graphql(ME, {}, { authorization: `Bearer ${key}` })).data.me, expected);
      const [row] = await postgres.query<{ row: string }>(
        'SELECT to_jsonb(k)::text AS row FROM api_keys k',
        url,
      );
      assert.ok(!row!.row.includes(key.split('_').slice(2).join('_')), 'the key is in the database');
      assert.ok(!api.output.includes(key), 'the key is in the log');
    });

    it('allow only the operations of their scopes', async () => {
      const { key } = await newKey({ scopes: ['DEPLOYMENTS'] });
      const refused = await withKey(key, CREATE_SERVICE, { name: 'web' });
      assert.deepEqual(codes(refused), ['FORBIDDEN']);
      assert.match(refused.errors[0]!.message, /with the scope CATALOG; the key has DEPLOYMENTS/);
      assert.deepEqual(codes(await withKey(key, '{ services { totalCount } }')), ['FORBIDDEN']);
      const { key: whole } = await newKey();
      assert.deepEqual(codes(await withKey(whole, CREATE_SERVICE, { name: 'web' })), []);
    });

    it('can be updated with another name, scopes and expiry', async () => {
      const { key, id } = await newKey({ scopes: ['DEPLOYMENTS'] });
      const update = (input: object) =>
        as(
          'ADMIN',
          'mutation ($input: UpdateApiKeyInput!) { updateApiKey(input: $input) { name scopes expiresAt } }',
          { input: { id, ...input } },
        );
      const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
      const first = await update({ name: 'other', scopes: ['CATALOG', 'READ'], expiresAt });
      assert.deepEqual(first.data.updateApiKey, { name: 'other', scopes: ['CATALOG', 'READ'], expiresAt });
      await eventually(
        'the new scopes apply',
        async () => codes(await withKey(key, CREATE_SERVICE, { name: 'web' })).length === 0,
      );
      const then = await update({ scopes: null, expiresAt: null });
      assert.deepEqual(then.data.updateApiKey, { name: 'other', scopes: null, expiresAt: null });
      assert.equal(
        (await update({ expiresAt: '2020-01-01T00:00:00Z' })).errors[0]?.extensions.code,
        'BAD_USER_INPUT',
      );
      assert.equal((await update({ scopes: [] })).errors[0]?.extensions.code, 'BAD_USER_INPUT');
      await as('ADMIN', 'mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { id } }', { id });
      assert.deepEqual(codes(await update({ expiresAt })), ['CONFLICT']);
    });

    it('are rejected after they are revoked, also by other processes', async () => {
      const { key, id } = await newKey();
      const other = await ApiProcess.start({
        PCF_API__DATABASE__URL: url,
        PCF_API__AUTH__IDENTITY_CACHE: '200ms',
      });
      try {
        await other.waitForReady();
        assert.equal((await other.graphql(ME, {}, { 'x-api-key': key })).status, 200);
        const revoke = 'mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { revokedAt } }';
        const first = await as('ADMIN', revoke, { id });
        for (const [name, process] of Object.entries({ api, other })) {
          await eventually(
            `${name} rejects the key`,
            async () => (await process.graphql(ME, {}, { 'x-api-key': key })).status === 401,
          );
        }
        assert.deepEqual((await as('ADMIN', revoke, { id })).data, first.data);
      } finally {
        await other.kill();
      }
    });

    it('are rejected if they are expired, modified or unknown', async () => {
      const { key } = await newKey({ expiresAt: new Date(Date.now() + 3_600_000) });
      assert.equal((await withKey(key, ME)).status, 200);
      await postgres.query("UPDATE api_keys SET expires_at = now() - interval '1 second'", url);
      await eventually('the expired key is rejected', async () => (await withKey(key, ME)).status === 401);
      await postgres.query('UPDATE api_keys SET expires_at = NULL', url);
      const last = key.at(-1) === 'A' ? 'B' : 'A';
      const prefix = key.slice(0, 21);
      for (const wrong of [
        key.slice(0, -1) + last,
        `${prefix}${'A'.repeat(43)}`,
        `pcf_${'a'.repeat(16)}_${'A'.repeat(43)}`,
      ]) {
        const { status, errors } = await withKey(wrong, ME);
        assert.equal(status, 401, wrong);
        assert.match(errors[0]!.message, /invalid, revoked or expired/);
      }
    });

    it('require a name, an expiry in the future and at least one scope in the list', async () => {
      for (const [input, field] of [
        [{ name: '', role: 'VIEWER' }, 'input.name'],
        [{ name: 'x', role: 'VIEWER', scopes: [] }, 'input.scopes'],
        [{ name: 'x', role: 'VIEWER', expiresAt: '2020-01-01T00:00:00Z' }, 'input.expiresAt'],
      ] as const) {
        const { errors } = await as('ADMIN', CREATE_KEY, { input });
        assert.equal(errors[0]?.extensions.field, field);
      }
    });

    it('have their time of last use written at shutdown at the latest', async () => {
      const other = await ApiProcess.start({ PCF_API__DATABASE__URL: url });
      await other.waitForReady();
      const { key, id } = await newKey();
      await other.graphql(ME, {}, { 'x-api-key': key });
      other.signal('SIGTERM');
      assert.equal((await other.ended).code, 0);
      const { data } = await as(
        'ADMIN',
        'query ($id: ID!) { node(id: $id) { ... on ApiKey { lastUsedAt } } }',
        { id },
      );
      assert.ok(Date.now() - Date.parse(data.node.lastUsedAt) < 60_000);
    });
  });

  describe('users', () => {
    it('can be created, found and updated', async () => {
      const id = await newUser({ email: 'Ada@Example.com', role: 'VIEWER' });
      const { data } = await as(
        'ADMIN',
        '{ users(filter: { email: ["ADA@example.com"] }) { edges { node { id email } } } }',
      );
      assert.deepEqual(data.users.edges, [{ node: { id, email: 'ada@example.com' } }]);
      const changed = await as('ADMIN', UPDATE_USER, { input: { id, role: 'OPERATOR' } });
      assert.equal(changed.data.updateUser.role, 'OPERATOR');
      const twice = await as('ADMIN', CREATE_USER, {
        input: { email: 'ada@EXAMPLE.com', name: 'A', role: 'VIEWER' },
      });
      assert.deepEqual([codes(twice), twice.errors[0]!.extensions.field], [['CONFLICT'], 'input.email']);
    });

    it('lose a role and access within the TTL of the identity cache', async () => {
      await newUser({ email: 'root@example.com' });
      const id = await newUser();
      const token = {
        authorization: `Bearer ${await signToken({ sub: `user:${uuidIn(id)}`, role: 'ADMIN' })}`,
      };
      const me = () => api.graphql(ME, {}, token);
      assert.deepEqual(
        [(await me()).data.me.role, (await me()).data.me.user.email],
        ['ADMIN', 'ada@example.com'],
      );
      await as('ADMIN', UPDATE_USER, { input: { id, role: 'VIEWER' } });
      await eventually(
        'the role in the database applies, not the role in the token',
        async () => (await me()).data.me.role === 'VIEWER',
      );
      await as('ADMIN', UPDATE_USER, { input: { id, disabled: true } });
      await eventually('the disabled user is rejected', async () => (await me()).status === 401);
      await as('ADMIN', UPDATE_USER, { input: { id, disabled: false } });
      await eventually('the re-enabled user is authenticated', async () => (await me()).status === 200);
    });

    it('include at least one enabled admin, also after concurrent changes', async () => {
      const [one, two] = [await newUser(), await newUser({ email: 'bob@example.com' })];
      const answers = await Promise.all([
        as('ADMIN', UPDATE_USER, { input: { id: one, role: 'VIEWER' } }),
        as('ADMIN', UPDATE_USER, { input: { id: two, disabled: true } }),
      ]);
      assert.deepEqual(answers.flatMap(codes), ['CONFLICT']);
      const [row] = await postgres.query<{ count: number }>(
        "SELECT count(*)::int AS count FROM users WHERE role = 'ADMIN' AND disabled_at IS NULL",
        url,
      );
      assert.equal(row?.count, 1);
    });

    it('require a long password, of which only a hash is stored', async () => {
      const short = await as('ADMIN', CREATE_USER, {
        input: { email: 'x@example.com', name: 'X', role: 'VIEWER', password: 'short' },
      });
      assert.equal(short.errors[0]?.extensions.field, 'input.password');
      assert.doesNotMatch(short.text, /"short"/);
      await newUser({ password: 'a password of Ada' });
      const [row] = await postgres.query<{ password_hash: string }>('SELECT password_hash FROM users', url);
      assert.match(row!.password_hash, /^\$argon2id\$/);
      assert.ok(!api.output.includes('a password of Ada'));
    });
  });

  describe('audit log', () => {
    it('records the actor, action, outcome and subject of every mutation, without secrets', async () => {
      const id = await newUser({ password: 'a password of Ada' });
      await as('VIEWER', CREATE_SERVICE, { name: 'web' });
      await as('OPERATOR', CREATE_SERVICE, { name: 'Web' });
      const made = await as('OPERATOR', CREATE_SERVICE, { name: 'web' });
      const { data } = await as('ADMIN', AUDIT);
      const entries = data.auditEvents.edges.map(({ node }: { node: Record<string, unknown> }) => [
        node.actor,
        node.action,
        node.outcome,
        node.errorCode,
        node.subject,
      ]);
      assert.deepEqual(entries, [
        ['token:pcf-api:operator', 'createService', 'SUCCEEDED', null, made.data.createService.id],
        ['token:pcf-api:operator', 'createService', 'FAILED', 'BAD_USER_INPUT', null],
        ['token:pcf-api:viewer', 'createService', 'DENIED', 'FORBIDDEN', null],
        ['token:pcf-api:admin', 'createUser', 'SUCCEEDED', null, id],
      ]);
      const [newest, , , oldest] = data.auditEvents.edges;
      assert.deepEqual(newest.node.input, { input: { name: 'web' } });
      assert.equal(newest.node.requestId, made.headers.get('x-request-id'));
      assert.equal(oldest.node.input.input.password, '***');
    });

    it('can be filtered by actor, action, outcome and time', async () => {
      await Promise.all(
        Array.from({ length: 20 }, (_, index) => as('OPERATOR', CREATE_SERVICE, { name: `s-${index}` })),
      );
      await as('VIEWER', CREATE_SERVICE, { name: 'web' });
      const count = async (filter: object) =>
        (await as('ADMIN', AUDIT, { filter })).data.auditEvents.totalCount;
      assert.equal(await count({ actor: 'token:pcf-api:operator', outcome: ['SUCCEEDED'] }), 20);
      assert.equal(await count({ outcome: ['DENIED'] }), 1);
      assert.equal(await count({ action: ['createUser'] }), 0);
      assert.equal(await count({ to: '2020-01-01T00:00:00Z' }), 0);
    });

    it('records mutations whose input contains characters that PostgreSQL cannot store', async () => {
      const { errors } = await as('OPERATOR', CREATE_SERVICE, { name: 'a\0b\ud800' });
      assert.equal(errors[0]?.extensions.code, 'BAD_USER_INPUT');
      const { data } = await as('ADMIN', AUDIT, { filter: { outcome: ['FAILED'] } });
      assert.equal(data.auditEvents.totalCount, 1);
    });
  });

  describe('subscriptions', () => {
    const SUBSCRIPTION = 'subscription { deploymentChanged { cursor } }';
    const connect = (connectionParams: Record<string, unknown>, headers: Record<string, string> = {}) => {
      class Socket extends WebSocket {
        constructor(address: string, protocols: string[]) {
          super(address, protocols, { headers });
        }
      }
      const closed: { code: number; reason: string }[] = [];
      const client = createClient({
        url: `ws://127.0.0.1:${api.port}/graphql`,
        webSocketImpl: Socket,
        connectionParams,
        retryAttempts: 0,
        lazy: true,
        on: { closed: (event) => void closed.push(event as never) },
      });
      const connected = new Promise<void>((resolve) => client.on('connected', () => resolve()));
      const iterator = client.iterate({ query: SUBSCRIPTION });
      const ended = iterator.next().catch((error: unknown) => error as { code?: number });
      return { client, connected, ended };
    };

    it('close connections without valid credentials at connection_init', async () => {
      for (const params of [{}, { authorization: 'Bearer wrong' }, { 'x-api-key': 'pcf_wrong' }]) {
        const { ended } = connect(params);
        assert.equal(((await ended) as { code: number }).code, 4_403);
      }
    });

    it('accept a token in connectionParams or in the headers', async () => {
      const token = await bearer({ role: 'VIEWER' });
      for (const [params, headers] of [
        [token, {}],
        [{ Authorization: token.authorization }, {}],
        [{}, token],
      ] as const) {
        const { client, connected } = connect(params, headers);
        await connected;
        await client.dispose();
      }
    });

    it('reject a subscription with a key that lacks the scope READ', async () => {
      const { key } = await newKey({ scopes: ['DEPLOYMENTS'] });
      const { client, ended } = connect({ 'x-api-key': key });
      const result = (await ended) as unknown as {
        value?: { errors: { extensions: { code: string } }[] };
      } & {
        extensions?: { code: string };
      }[];
      const errors = result.value?.errors ?? result;
      assert.equal(errors[0]!.extensions!.code, 'FORBIDDEN');
      await client.dispose();
    });

    it('are closed when the token expires', async () => {
      const soon = Math.floor(Date.now() / 1_000) - 29; // 1 s left of the 30 s clock skew tolerance
      const { connected, ended } = connect(await bearer({ exp: soon }));
      await connected;
      assert.equal(((await ended) as { code: number }).code, 4_403);
    });

    it('send no event to a revoked key after the TTL of the identity cache', async () => {
      const { key, id } = await newKey({ scopes: ['READ'] });
      const { client, connected, ended } = connect({ 'x-api-key': key });
      await connected;
      await eventually('the client is subscribed', async () =>
        /^pcf_api_subscribers 1$/m.test(await api.metrics()),
      );
      await as('ADMIN', 'mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { id } }', { id });
      await new Promise((resolve) => setTimeout(resolve, 300));
      const { data } = await as('ADMIN', CREATE_SERVICE, { name: 'web' });
      const record = 'mutation ($input: RecordDeploymentInput!) { recordDeployment(input: $input) { id } }';
      const input = { serviceId: data.createService.id, version: 'v1', environment: 'production' };
      const recorded = await as('ADMIN', record, { input: { ...input, idempotencyKey: 'revoked' } });
      assert.deepEqual(recorded.errors, []);
      assert.equal(((await ended) as { code: number }).code, 4_403);
      await client.dispose();
    });
  });

  describe('user create and key create', () => {
    const env = () => ({ PCF_API__DATABASE__URL: url });

    it('create the first admin and an API key, and print only its ID or key', async () => {
      const user = await runRole(
        ['user', 'create', '--email', 'First@Example.com', '--role', 'admin', '--name', 'First'],
        env(),
      );
      assert.equal(user.code, 0, user.stderr);
      const key = await runRole(
        ['key', 'create', '--name', 'ci', '--role', 'admin', '--scope', 'read', 'admin'],
        env(),
      );
      assert.equal(key.code, 0, key.stderr);
      assert.match(key.stdout, /^pcf_\S+\n$/);
      const { data } = await withKey(
        key.stdout.trim(),
        `{ me { scopes } users { edges { node { id email role } } } }`,
      );
      assert.deepEqual(data.me.scopes, ['READ', 'ADMIN']);
      assert.deepEqual(data.users.edges, [
        { node: { id: user.stdout.trim(), email: 'first@example.com', role: 'ADMIN' } },
      ]);
      const audit = await as('ADMIN', AUDIT, { filter: { actor: 'command' } });
      assert.equal(audit.data.auditEvents.totalCount, 2);
    });

    it('report the cause of a failure, and with the exit code whether to retry', async () => {
      const create = (email: string, more: Record<string, string> = env()) =>
        runRole(['user', 'create', '--email', email, '--role', 'admin'], more);
      assert.equal((await create('ada@example.com')).code, 0);
      const twice = await create('ada@example.com');
      assert.deepEqual([twice.code, twice.stderr], [1, 'a user with this e-mail address already exists\n']);
      const wrong = await create('nonsense');
      assert.deepEqual([wrong.code, wrong.stderr], [64, '--email: must be an e-mail address\n']);
      const unavailable = await create('b@example.com', {
        PCF_API__DATABASE__URL: 'postgresql://u:hush@127.0.0.1:1/x',
      });
      assert.equal(unavailable.code, 75);
      assert.doesNotMatch(unavailable.stderr + unavailable.terminationMessage, /hush/);
      assert.equal((await runRole(['user', 'create', '--email', 'a@b.de', '--role', 'god'], env())).code, 64);
    });
  });
});
