import assert from 'node:assert/strict';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { JWT_SECRET } from '../../support/fixtures/tokens.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { startRedis, type TestRedis } from '../../support/servers/redis.js';
import { ApiProcess, runRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const EMAIL = 'ada@example.com';
const PASSWORD = 'a password of Ada';

interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: the shape depends on the test
  body: any;
}

describe('api-server login', () => {
  let postgres: TestPostgres;
  let url: string;
  let redis: TestRedis | undefined;
  let auth: ApiProcess;
  let api: ApiProcess;
  let subnet = 0;

  const post = async (path: string, body: unknown, to = auth, headers = {}): Promise<Answer> => {
    const response = await to.fetch(`/auth/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined };
  };
  const login = (password = PASSWORD, email = EMAIL, to?: ApiProcess) =>
    post('login', { email, password }, to);
  const tokens = async () => {
    const answer = await login();
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body as { accessToken: string; refreshToken: string; expiresIn: number };
  };
  const refresh = (refreshToken: string) => post('refresh', { refreshToken });
  const me = async (accessToken: string) =>
    api.graphql(
      '{ me { kind role user { email lastLoginAt } } }',
      {},
      { authorization: `Bearer ${accessToken}` },
    );
  const startAuth = (more: Record<string, string> = {}) =>
    ApiProcess.start(
      {
        PCF_API__DATABASE__URL: url,
        PCF_API__AUTH__JWT_SECRET: JWT_SECRET,
        PCF_API__AUTH__LOGIN_ATTEMPTS: '4',
        PCF_API__SERVER__TRUSTED_PROXIES: '1',
        ...(redis && { PCF_API__REDIS__URL: redis.url }),
        ...more,
      },
      undefined,
      'auth',
    );

  before(async () => {
    redis = await startRedis();
    postgres = await sharedPostgres();
    url = await migratedDatabase();
    [auth, api] = await Promise.all([
      startAuth(),
      ApiProcess.start({ PCF_API__DATABASE__URL: url, PCF_API__AUTH__JWT_SECRET: JWT_SECRET }),
    ]);
    await Promise.all([auth.waitForReady(), api.waitForReady()]);
  });
  beforeEach(async () => {
    await postgres.query('TRUNCATE users, refresh_tokens, audit_events CASCADE', url);
    const client = redis?.client();
    await client?.flushall();
    client?.disconnect();
    const create = 'mutation ($input: CreateUserInput!) { createUser(input: $input) { id } }';
    const input = { email: EMAIL, name: 'Ada', role: 'OPERATOR', password: PASSWORD };
    assert.deepEqual((await api.graphql(create, { input })).errors, []);
    subnet += 1; // new client addresses per test: without Redis, processes count in memory
  });
  after(async () => {
    await Promise.all([auth?.kill(), api?.kill()]);
    await redis?.stop();
  });

  const from = (host: number) => ({ 'x-forwarded-for': `10.0.${subnet}.${host}` });

  it('a correct password returns an access token that the API accepts, and a refresh token', async () => {
    const answer = await login(PASSWORD, 'ADA@example.com');
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    const { accessToken, tokenType, expiresIn, refreshToken } = answer.body;
    assert.deepEqual([tokenType, expiresIn], ['Bearer', 600]);
    assert.match(refreshToken, /^pcfr_/);
    assert.equal(decodeProtectedHeader(accessToken).alg, 'HS256');
    const { exp = 0, iat = 0, iss, aud } = decodeJwt(accessToken);
    assert.deepEqual([exp - iat, iss, aud], [600, 'pcf-api', 'pcf-api']);
    const { data } = await me(accessToken);
    assert.deepEqual([data.me.kind, data.me.role, data.me.user.email], ['USER', 'OPERATOR', EMAIL]);
    assert.ok(data.me.user.lastLoginAt);
  });

  it('returns the same error for a wrong password, a missing account and a disabled account', async () => {
    const answers = [await login('wrong'), await login(PASSWORD, 'nobody@example.com')];
    await postgres.query('UPDATE users SET disabled_at = now()', url);
    answers.push(await login());
    await postgres.query('UPDATE users SET disabled_at = NULL, password_hash = NULL', url);
    answers.push(await login(''));
    const bodies = answers.map(({ status, body: { errors } }) => [
      status,
      errors[0].message,
      errors[0].extensions.code,
    ]);
    assert.equal(new Set(bodies.map(String)).size, 1, JSON.stringify(bodies));
    assert.deepEqual(bodies[0], [401, 'invalid e-mail address or password', 'UNAUTHENTICATED']);
  });

  it('a refresh token can be used once, and returns the next one', async () => {
    const first = await tokens();
    const second = await refresh(first.refreshToken);
    assert.equal(second.status, 200);
    assert.notEqual(second.body.refreshToken, first.refreshToken);
    assert.equal((await me(second.body.accessToken)).status, 200);
    assert.equal((await refresh(second.body.refreshToken)).status, 200);
  });

  it('reuse of a refresh token revokes its token family, and no other', async () => {
    const [stolen, other] = [await tokens(), await tokens()];
    const next = await refresh(stolen.refreshToken);
    assert.equal((await refresh(stolen.refreshToken)).status, 401);
    assert.equal((await refresh(next.body.refreshToken)).status, 401, 'the family must be revoked');
    assert.equal((await refresh(other.refreshToken)).status, 200);
    const [event] = await postgres.query<{ outcome: string; error_code: string; actor_name: string }>(
      "SELECT outcome, error_code, actor_name FROM audit_events WHERE action = 'refresh' ORDER BY occurred_at",
      url,
    );
    assert.deepEqual(event, { outcome: 'DENIED', error_code: 'REFRESH_TOKEN_REUSED', actor_name: 'Ada' });
    assert.ok(auth.logs.some(({ level, msg }) => level === 'warn' && /refresh token reused/.test(`${msg}`)));
  });

  it('concurrent use of one refresh token succeeds once, then revokes the token family', async () => {
    const { refreshToken } = await tokens();
    const answers = await Promise.all(Array.from({ length: 8 }, () => refresh(refreshToken)));
    const good = answers.filter(({ status }) => status === 200);
    assert.equal(good.length, 1);
    assert.equal((await refresh(good[0]!.body.refreshToken)).status, 401);
  });

  it('rejects a refresh token after its expiry, a logout, a password change, or when its user is disabled', async () => {
    const expired = await tokens();
    await postgres.query("UPDATE refresh_tokens SET expires_at = now() - interval '1 s'", url);
    assert.equal((await refresh(expired.refreshToken)).status, 401);

    const loggedOut = await tokens();
    assert.equal((await post('logout', { refreshToken: loggedOut.refreshToken })).status, 204);
    assert.equal((await refresh(loggedOut.refreshToken)).status, 401);
    assert.equal((await post('logout', { refreshToken: 'pcfr_unknown' })).status, 204);

    const changed = await tokens();
    const newPassword = 'another password of Ada';
    const change = await post('password', { email: EMAIL, password: PASSWORD, newPassword });
    assert.equal(change.status, 200);
    assert.equal((await refresh(changed.refreshToken)).status, 401);
    assert.equal((await refresh(change.body.refreshToken)).status, 200);
    assert.deepEqual([(await login()).status, (await login(newPassword)).status], [401, 200]);

    const disabledUser = (await login(newPassword)).body;
    await postgres.query('UPDATE users SET disabled_at = now()', url);
    assert.equal((await refresh(disabledUser.refreshToken)).status, 401);
  });

  it('setting a password as an admin revokes all refresh tokens of the user', async () => {
    const { refreshToken } = await tokens();
    const { data } = await api.graphql('{ users { edges { node { id } } } }');
    const set = 'mutation ($input: SetUserPasswordInput!) { setUserPassword(input: $input) { id } }';
    const input = { id: data.users.edges[0].node.id, password: 'set by an admin' };
    assert.deepEqual((await api.graphql(set, { input })).errors, []);
    assert.equal((await refresh(refreshToken)).status, 401);
    assert.equal((await login('set by an admin')).status, 200);
  });

  it('throttles an address after failed logins, even with the correct password, but not other addresses', async () => {
    const guess = (host: number, password = 'wrong', email = EMAIL) =>
      post('login', { email, password }, auth, from(host));
    const statuses = [];
    for (let tries = 0; tries < 6; tries += 1) statuses.push((await guess(1)).status);
    assert.deepEqual(statuses, [401, 401, 401, 401, 429, 429]);
    const { status, headers, body } = await guess(1, PASSWORD);
    assert.equal(status, 429);
    assert.equal(body.errors[0].extensions.code, 'RATE_LIMITED');
    const seconds = Number(headers.get('retry-after'));
    assert.ok(seconds > 0 && seconds <= 15 * 60, `${seconds}`);
    assert.equal((await guess(2, PASSWORD)).status, 200, 'another address is not throttled');
    const spoofedHeaders = { 'x-forwarded-for': `192.0.2.9, ${from(1)['x-forwarded-for']}` };
    const spoofed = await post('login', { email: EMAIL, password: 'wrong' }, auth, spoofedHeaders);
    assert.equal(spoofed.status, 429, 'an address that the client adds to X-Forwarded-For is ignored');
  });

  it('concurrent logins get no extra attempts, and a successful login resets the counter', async () => {
    const guess = (password: string) => post('login', { email: EMAIL, password }, auth, from(3));
    for (let round = 0; round < 3; round += 1) {
      assert.deepEqual([(await guess('wrong')).status, (await guess('wrong')).status], [401, 401]);
      assert.equal((await guess(PASSWORD)).status, 200);
    }
    const many = await Promise.all(Array.from({ length: 20 }, () => guess('wrong')));
    assert.equal(many.filter(({ status }) => status === 401).length, 4);
  });

  it('failed logins from one address do not lock the account for other addresses', async () => {
    const guess = () => post('login', { email: EMAIL, password: 'wrong' }, auth, from(7));
    const statuses = await Promise.all(Array.from({ length: 100 }, guess));
    assert.equal(statuses.filter(({ status }) => status === 401).length, 4);
    const elsewhere = await post('login', { email: EMAIL, password: PASSWORD }, auth, from(8));
    assert.equal(elsewhere.status, 200);
    const another = await post('login', { email: 'bob@example.com', password: 'wrong' }, auth, from(7));
    assert.equal(another.status, 401, 'throttled attempts do not count against the address');
  });

  it('a refresh token of a disabled user raises no reuse alarm, and stays invalid after the user is enabled', async () => {
    const { refreshToken } = await tokens();
    const { data } = await api.graphql('{ users { edges { node { id } } } }');
    const disable = async (disabled: boolean) => {
      const update = 'mutation ($input: UpdateUserInput!) { updateUser(input: $input) { id } }';
      const input = { id: data.users.edges[0].node.id, disabled };
      assert.deepEqual((await api.graphql(update, { input })).errors, []);
    };
    const statuses = async () => [(await refresh(refreshToken)).status, (await refresh(refreshToken)).status];
    await postgres.query('UPDATE users SET disabled_at = now()', url); // the API would revoke the token
    assert.deepEqual(await statuses(), [401, 401]);
    await disable(true);
    assert.deepEqual(await statuses(), [401, 401]);
    await disable(false);
    assert.deepEqual(await statuses(), [401, 401]);
    const alarms = await postgres.query('SELECT FROM audit_events WHERE error_code IS NOT NULL', url);
    assert.equal(alarms.length, 0);
    assert.ok((await tokens()).refreshToken);
  });

  it('throttles an address that sends too many invalid refresh tokens', async () => {
    const statuses = new Set<number>();
    for (let tries = 0; tries < 81; tries += 1) {
      const answer = await post('refresh', { refreshToken: `pcfr_${tries}` }, auth, from(6));
      statuses.add(answer.status);
    }
    assert.deepEqual([...statuses], [401, 429]);
  });

  it('processes share the counter of failed logins in Redis; without Redis, each process counts separately', async function () {
    if (!redis) return this.skip();
    const other = await startAuth();
    try {
      await other.waitForReady();
      const guess = (to: ApiProcess, host: number) =>
        post('login', { email: EMAIL, password: 'wrong' }, to, from(host));
      for (let tries = 0; tries < 4; tries += 1) await guess(tries % 2 ? other : auth, 4);
      assert.deepEqual([(await guess(auth, 4)).status, (await guess(other, 4)).status], [429, 429]);
      await redis.stop();
      const statuses = [];
      for (let tries = 0; tries < 5; tries += 1) statuses.push((await guess(other, 5)).status);
      assert.deepEqual(statuses, [401, 401, 401, 401, 429]);
    } finally {
      await other.kill();
      await redis.start();
    }
  });

  for (const [what, body, status] of [
    ['a body that is not JSON', '{', 400],
    ['an empty object', '{}', 400],
    ['an unknown field', { email: EMAIL, password: PASSWORD, admin: true }, 400],
    ['an object as password', { email: EMAIL, password: { $ne: '' } }, 400],
    ['a password above the length limit', { email: EMAIL, password: 'x'.repeat(300) }, 400],
    ['a body above the size limit', { email: EMAIL, password: 'x'.repeat(9_000) }, 413],
  ] as const) {
    it(`refuses a login with ${what}`, async () => {
      const answer = await post('login', body);
      assert.equal(answer.status, status, JSON.stringify(answer.body));
      assert.doesNotMatch(JSON.stringify(answer.body), /password of Ada|xxx/);
    });
  }

  it('accepts only application/json, which a cross-site form cannot send', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
      const answer = await post('login', JSON.stringify({ email: EMAIL, password: PASSWORD }), auth, {
        'content-type': type,
      });
      assert.equal(answer.status, 415, type);
    }
  });

  it('refuses a new password that is too short', async () => {
    const answer = await post('password', { email: EMAIL, password: PASSWORD, newPassword: 'short' });
    assert.equal(answer.status, 400);
    assert.match(answer.body.errors[0].message, /newPassword: must be 12 to 256/);
  });

  it('records each login as an audit event, and writes no secret to the log or the database', async () => {
    const { refreshToken } = await tokens();
    await login('a wrong password');
    const events = await postgres.query<{ action: string; outcome: string; input: { email?: string } }>(
      "SELECT action, outcome, input FROM audit_events WHERE action = 'login' ORDER BY occurred_at",
      url,
    );
    assert.deepEqual(
      events.map(({ action, outcome }) => [action, outcome]),
      [
        ['login', 'SUCCEEDED'],
        ['login', 'DENIED'],
      ],
    );
    assert.equal(events[1]!.input.email, EMAIL);
    const rows = await postgres.query('SELECT * FROM refresh_tokens, audit_events', url);
    for (const secret of [PASSWORD, 'a wrong password', refreshToken]) {
      assert.ok(!auth.output.includes(secret), 'the secret is in the log');
      assert.ok(!JSON.stringify(rows).includes(secret), 'the secret is in the database');
    }
  });

  it('the auth role requires a signing secret, and exits with 0 on SIGTERM', async () => {
    const without = await runRole(['auth'], { PCF_API__DATABASE__URL: url });
    assert.equal(without.code, 78);
    assert.match(without.stderr, /auth.jwt_secret: is required/);
    const other = await startAuth();
    await other.waitForReady();
    other.signal('SIGTERM');
    assert.equal((await other.ended).code, 0);
  });
});
