import assert from 'node:assert/strict';
import { eventually } from '../../support/cluster/pcf-api.js';
import { ApiProcess } from './api-process.js';
import { CREATE_KEY, CREATE_SERVICE, codes, IdentitiesUnderTest, ME } from './identities-under-test.js';

describe('api-server API keys', () => {
  let under: IdentitiesUnderTest;

  before(async () => {
    under = await IdentitiesUnderTest.start();
  });
  beforeEach(() => under.clear());
  after(() => under?.api.kill());

  it('authenticate clients in either header and are returned only once', async () => {
    const { key } = await under.newKey({ name: 'delivery', scopes: ['READ', 'DEPLOYMENTS'] });
    assert.match(key, /^pcf_/);
    const expected = {
      kind: 'API_KEY',
      name: 'delivery',
      role: 'OPERATOR',
      scopes: ['READ', 'DEPLOYMENTS'],
      user: null,
      apiKey: { name: 'delivery' },
    };
    assert.deepEqual((await under.withKey(key, ME)).data.me, expected);
    assert.deepEqual((await under.api.graphql(ME, {}, { authorization: `Bearer ${key}` })).data.me, expected);
    const [row] = await under.postgres.query<{ row: string }>(
      'SELECT to_jsonb(k)::text AS row FROM api_keys k',
      under.url,
    );
    assert.ok(!row!.row.includes(key.split('_').slice(2).join('_')), 'the key is in the database');
    assert.ok(!under.api.output.includes(key), 'the key is in the log');
  });

  it('allow only the operations of their scopes', async () => {
    const { key } = await under.newKey({ scopes: ['DEPLOYMENTS'] });
    const refused = await under.withKey(key, CREATE_SERVICE, { name: 'web' });
    assert.deepEqual(codes(refused), ['FORBIDDEN']);
    assert.match(refused.errors[0]!.message, /with the scope CATALOG; the key has DEPLOYMENTS/);
    assert.deepEqual(codes(await under.withKey(key, '{ services { totalCount } }')), ['FORBIDDEN']);
    const { key: whole } = await under.newKey();
    assert.deepEqual(codes(await under.withKey(whole, CREATE_SERVICE, { name: 'web' })), []);
  });

  it('can be updated with another name, scopes and expiry', async () => {
    const { key, id } = await under.newKey({ scopes: ['DEPLOYMENTS'] });
    const update = (input: object) =>
      under.as(
        'ADMIN',
        'mutation ($input: UpdateApiKeyInput!) { updateApiKey(input: $input) { name scopes expiresAt } }',
        { input: { id, ...input } },
      );
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const first = await update({ name: 'other', scopes: ['CATALOG', 'READ'], expiresAt });
    assert.deepEqual(first.data.updateApiKey, { name: 'other', scopes: ['CATALOG', 'READ'], expiresAt });
    await eventually(
      'the new scopes apply',
      async () => codes(await under.withKey(key, CREATE_SERVICE, { name: 'web' })).length === 0,
    );
    const then = await update({ scopes: null, expiresAt: null });
    assert.deepEqual(then.data.updateApiKey, { name: 'other', scopes: null, expiresAt: null });
    assert.equal(
      (await update({ expiresAt: '2020-01-01T00:00:00Z' })).errors[0]?.extensions.code,
      'BAD_USER_INPUT',
    );
    assert.equal((await update({ scopes: [] })).errors[0]?.extensions.code, 'BAD_USER_INPUT');
    await under.as('ADMIN', 'mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { id } }', { id });
    assert.deepEqual(codes(await update({ expiresAt })), ['CONFLICT']);
  });

  it('are rejected after they are revoked, also by other processes', async () => {
    const { key, id } = await under.newKey();
    const other = await ApiProcess.start({
      PCF_API__DATABASE__URL: under.url,
      PCF_API__AUTH__IDENTITY_CACHE: '200ms',
    });
    try {
      await other.waitForReady();
      assert.equal((await other.graphql(ME, {}, { 'x-api-key': key })).status, 200);
      const revoke = 'mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { revokedAt } }';
      const first = await under.as('ADMIN', revoke, { id });
      for (const [name, process] of Object.entries({ api: under.api, other })) {
        await eventually(
          `${name} rejects the key`,
          async () => (await process.graphql(ME, {}, { 'x-api-key': key })).status === 401,
        );
      }
      assert.deepEqual((await under.as('ADMIN', revoke, { id })).data, first.data);
    } finally {
      await other.kill();
    }
  });

  it('are rejected if they are expired, modified or unknown', async () => {
    const { key } = await under.newKey({ expiresAt: new Date(Date.now() + 3_600_000) });
    assert.equal((await under.withKey(key, ME)).status, 200);
    await under.postgres.query("UPDATE api_keys SET expires_at = now() - interval '1 second'", under.url);
    await eventually(
      'the expired key is rejected',
      async () => (await under.withKey(key, ME)).status === 401,
    );
    await under.postgres.query('UPDATE api_keys SET expires_at = NULL', under.url);
    const last = key.at(-1) === 'A' ? 'B' : 'A';
    const prefix = key.slice(0, 21);
    for (const wrong of [
      key.slice(0, -1) + last,
      `${prefix}${'A'.repeat(43)}`,
      `pcf_${'a'.repeat(16)}_${'A'.repeat(43)}`,
    ]) {
      const { status, errors } = await under.withKey(wrong, ME);
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
      const { errors } = await under.as('ADMIN', CREATE_KEY, { input });
      assert.equal(errors[0]?.extensions.field, field);
    }
  });

  it('have their time of last use written at shutdown at the latest', async () => {
    const other = await ApiProcess.start({ PCF_API__DATABASE__URL: under.url });
    await other.waitForReady();
    const { key, id } = await under.newKey();
    await other.graphql(ME, {}, { 'x-api-key': key });
    other.signal('SIGTERM');
    assert.equal((await other.ended).code, 0);
    const { data } = await under.as(
      'ADMIN',
      'query ($id: ID!) { node(id: $id) { ... on ApiKey { lastUsedAt } } }',
      { id },
    );
    assert.ok(Date.now() - Date.parse(data.node.lastUsedAt) < 60_000);
  });
});
