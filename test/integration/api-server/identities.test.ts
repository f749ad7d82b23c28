import assert from 'node:assert/strict';
import { eventually } from '../../support/cluster/pcf-api.js';
import { signToken } from '../../support/fixtures/tokens.js';
import { runRole } from './api-process.js';
import {
  AUDIT,
  CREATE_SERVICE,
  CREATE_USER,
  codes,
  IdentitiesUnderTest,
  ME,
  UPDATE_USER,
} from './identities-under-test.js';

describe('api-server identities', () => {
  let under: IdentitiesUnderTest;

  before(async () => {
    under = await IdentitiesUnderTest.start();
  });
  beforeEach(() => under.clear());
  after(() => under?.api.kill());

  const uuidIn = (id: string) => Buffer.from(id, 'base64url').toString().split(':')[1]!;

  describe('roles', () => {
    it('allow a viewer to read, an operator to change data, and an admin to manage users, keys and the audit log', async () => {
      const results = new Map<string, unknown[]>();
      for (const role of ['VIEWER', 'OPERATOR', 'ADMIN']) {
        const read = await under.as(role, '{ services { totalCount } }');
        const change = await under.as(role, CREATE_SERVICE, { name: role.toLowerCase() });
        const manage = await under.as(
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
      const ids = [(await under.newKey()).id, await under.newUser()];
      const { data } = await under.as('ADMIN', '{ auditEvents { edges { node { id } } } }');
      ids.push(data.auditEvents.edges[0].node.id);
      for (const id of ids) {
        const query = 'query ($id: ID!) { node(id: $id) { __typename id } }';
        assert.deepEqual(codes(await under.as('OPERATOR', query, { id })), ['FORBIDDEN']);
        assert.equal((await under.as('ADMIN', query, { id })).data.node.id, id);
        const nodes = await under.as('VIEWER', 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', {
          ids: [id],
        });
        assert.deepEqual(codes(nodes), ['FORBIDDEN']);
      }
    });

    it('return the changed object to a key without the scope READ, but no objects linked from it', async () => {
      const { data } = await under.as('OPERATOR', CREATE_SERVICE, { name: 'web' });
      const input = { serviceId: data.createService.id, environment: 'production', version: '1' };
      const { key } = await under.newKey({ scopes: ['DEPLOYMENTS', 'INCIDENTS', 'CATALOG'] });
      const RECORD = 'mutation ($input: RecordDeploymentInput!) { recordDeployment(input: $input)';
      const plain = await under.withKey(key, `${RECORD} { id status version startedAt } }`, {
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
        const response = await under.withKey(key, `${UPDATE} { id ${selection} } }`, { id });
        assert.deepEqual(codes(response), ['FORBIDDEN'], selection);
        assert.match(response.errors[0]!.message, /requires an API key with the scope READ/);
        assert.doesNotMatch(response.text, /web/);
      }
      const open = `mutation ($input: OpenIncidentInput!) { openIncident(input: $input) { title causedBy { version } } }`;
      const incident = { ...input, version: undefined, title: 'down', severity: 'LOW', deploymentId: id };
      const opened = await under.withKey(key, open, { input: { ...incident, idempotencyKey: 'a' } });
      assert.deepEqual(codes(opened), ['FORBIDDEN']);
      assert.deepEqual(opened.data.openIncident, { title: 'down', causedBy: null });
    });

    it('name the missing role in the error message', async () => {
      const { status, errors } = await under.as('VIEWER', CREATE_SERVICE, { name: 'web' });
      assert.equal(status, 200);
      assert.match(errors[0]!.message, /requires the role OPERATOR; the caller has the role VIEWER/);
    });
  });

  describe('users', () => {
    it('can be created, found and updated', async () => {
      const id = await under.newUser({ email: 'Ada@Example.com', role: 'VIEWER' });
      const { data } = await under.as(
        'ADMIN',
        '{ users(filter: { email: ["ADA@example.com"] }) { edges { node { id email } } } }',
      );
      assert.deepEqual(data.users.edges, [{ node: { id, email: 'ada@example.com' } }]);
      const changed = await under.as('ADMIN', UPDATE_USER, { input: { id, role: 'OPERATOR' } });
      assert.equal(changed.data.updateUser.role, 'OPERATOR');
      const twice = await under.as('ADMIN', CREATE_USER, {
        input: { email: 'ada@EXAMPLE.com', name: 'A', role: 'VIEWER' },
      });
      assert.deepEqual([codes(twice), twice.errors[0]!.extensions.field], [['CONFLICT'], 'input.email']);
    });

    it('lose a role and access within the TTL of the identity cache', async () => {
      await under.newUser({ email: 'root@example.com' });
      const id = await under.newUser();
      const token = {
        authorization: `Bearer ${await signToken({ sub: `user:${uuidIn(id)}`, role: 'ADMIN' })}`,
      };
      const me = () => under.api.graphql(ME, {}, token);
      assert.deepEqual(
        [(await me()).data.me.role, (await me()).data.me.user.email],
        ['ADMIN', 'ada@example.com'],
      );
      await under.as('ADMIN', UPDATE_USER, { input: { id, role: 'VIEWER' } });
      await eventually(
        'the role in the database applies, not the role in the token',
        async () => (await me()).data.me.role === 'VIEWER',
      );
      await under.as('ADMIN', UPDATE_USER, { input: { id, disabled: true } });
      await eventually('the disabled user is rejected', async () => (await me()).status === 401);
      await under.as('ADMIN', UPDATE_USER, { input: { id, disabled: false } });
      await eventually('the re-enabled user is authenticated', async () => (await me()).status === 200);
    });

    it('include at least one enabled admin, also after concurrent changes', async () => {
      const [one, two] = [await under.newUser(), await under.newUser({ email: 'bob@example.com' })];
      const answers = await Promise.all([
        under.as('ADMIN', UPDATE_USER, { input: { id: one, role: 'VIEWER' } }),
        under.as('ADMIN', UPDATE_USER, { input: { id: two, disabled: true } }),
      ]);
      assert.deepEqual(answers.flatMap(codes), ['CONFLICT']);
      const [row] = await under.postgres.query<{ count: number }>(
        "SELECT count(*)::int AS count FROM users WHERE role = 'ADMIN' AND disabled_at IS NULL",
        under.url,
      );
      assert.equal(row?.count, 1);
    });

    it('require a long password, of which only a hash is stored', async () => {
      const short = await under.as('ADMIN', CREATE_USER, {
        input: { email: 'x@example.com', name: 'X', role: 'VIEWER', password: 'short' },
      });
      assert.equal(short.errors[0]?.extensions.field, 'input.password');
      assert.doesNotMatch(short.text, /"short"/);
      await under.newUser({ password: 'a password of Ada' });
      const [row] = await under.postgres.query<{ password_hash: string }>(
        'SELECT password_hash FROM users',
        under.url,
      );
      assert.match(row!.password_hash, /^\$argon2id\$/);
      assert.ok(!under.api.output.includes('a password of Ada'));
    });
  });

  describe('audit log', () => {
    it('records the actor, action, outcome and subject of every mutation, without secrets', async () => {
      const id = await under.newUser({ password: 'a password of Ada' });
      await under.as('VIEWER', CREATE_SERVICE, { name: 'web' });
      await under.as('OPERATOR', CREATE_SERVICE, { name: 'Web' });
      const made = await under.as('OPERATOR', CREATE_SERVICE, { name: 'web' });
      const { data } = await under.as('ADMIN', AUDIT);
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
        Array.from({ length: 20 }, (_, index) =>
          under.as('OPERATOR', CREATE_SERVICE, { name: `s-${index}` }),
        ),
      );
      await under.as('VIEWER', CREATE_SERVICE, { name: 'web' });
      const count = async (filter: object) =>
        (await under.as('ADMIN', AUDIT, { filter })).data.auditEvents.totalCount;
      assert.equal(await count({ actor: 'token:pcf-api:operator', outcome: ['SUCCEEDED'] }), 20);
      assert.equal(await count({ outcome: ['DENIED'] }), 1);
      assert.equal(await count({ action: ['createUser'] }), 0);
      assert.equal(await count({ to: '2020-01-01T00:00:00Z' }), 0);
    });

    it('records mutations whose input contains characters that PostgreSQL cannot store', async () => {
      const { errors } = await under.as('OPERATOR', CREATE_SERVICE, { name: 'a\0b\ud800' });
      assert.equal(errors[0]?.extensions.code, 'BAD_USER_INPUT');
      const { data } = await under.as('ADMIN', AUDIT, { filter: { outcome: ['FAILED'] } });
      assert.equal(data.auditEvents.totalCount, 1);
    });
  });

  describe('user create and key create', () => {
    const env = () => ({ PCF_API__DATABASE__URL: under.url });

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
      const { data } = await under.withKey(
        key.stdout.trim(),
        `{ me { scopes } users { edges { node { id email role } } } }`,
      );
      assert.deepEqual(data.me.scopes, ['READ', 'ADMIN']);
      assert.deepEqual(data.users.edges, [
        { node: { id: user.stdout.trim(), email: 'first@example.com', role: 'ADMIN' } },
      ]);
      const audit = await under.as('ADMIN', AUDIT, { filter: { actor: 'command' } });
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
