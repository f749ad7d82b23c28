import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPair, SignJWT } from 'jose';
import { eventually } from '../../support/cluster/pcf-api.js';
import { bearer, claims, forgeToken, JWT_SECRET, signToken } from '../../support/fixtures/tokens.js';
import { KeyServer, PROVIDER } from '../../support/servers/key-server.js';
import { ApiProcess, runRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const ME = '{ me { kind id name role scopes } }';
const seconds = (fromNow: number) => Math.floor(Date.now() / 1_000) + fromNow;

describe('api-server tokens', () => {
  let api: ApiProcess;
  let url: string;
  let provider: KeyServer;
  let folder: string;
  let secretFile: string;

  const sendQuery = (token: string, query = ME) =>
    api.graphql(query, {}, { authorization: `Bearer ${token}` });
  const assertRefused = async (token: string, message: RegExp) => {
    const { status, headers, data, errors } = await sendQuery(token);
    assert.equal(status, 401, `the response was ${JSON.stringify(data)}`);
    assert.equal(errors[0]?.extensions.code, 'UNAUTHENTICATED');
    assert.match(errors[0]!.message, message);
    assert.match(headers.get('www-authenticate') ?? '', /^Bearer/);
    assert.equal(data, undefined);
  };

  before(async () => {
    provider = await KeyServer.start();
    folder = mkdtempSync(join(tmpdir(), 'pcf-test-tokens-'));
    secretFile = join(folder, 'jwt-secret');
    writeFileSync(secretFile, `${JWT_SECRET}\n`);
    url = await migratedDatabase();
    api = await ApiProcess.start({
      PCF_API__DATABASE__URL: url,
      PCF_API__AUTH__OPEN: 'false',
      PCF_API__AUTH__JWT_SECRET_FILE: secretFile,
      PCF_API__AUTH__JWKS_URL: provider.url,
      PCF_API__AUTH__JWKS_ISSUER: PROVIDER,
      PCF_API__AUTH__JWKS_ROLE_CLAIM: 'roles',
      PCF_API__AUTH__IDENTITY_CACHE: '0ms',
    });
    await api.waitForReady();
  });
  after(async () => {
    await api?.kill();
    await provider?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('refuses a request without credentials before it parses the body; health checks require none', async () => {
    const response = await api.fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: 'not JSON',
    });
    assert.equal(response.status, 401);
    const { errors } = (await response.json()) as { errors: { message: string }[] };
    assert.match(errors[0]!.message, /authorization: Bearer/);
    for (const path of ['/health', '/health/ready', '/health/startup']) {
      assert.equal((await api.fetch(path)).status, 200, path);
    }
  });

  it("accepts a token that is signed with the API's secret, with the identity and role of its claims", async () => {
    const { data } = await sendQuery(await signToken({ sub: 'ci', role: 'operator', name: 'CI' }));
    assert.deepEqual(data.me, {
      kind: 'TOKEN',
      id: 'token:pcf-api:ci',
      name: 'CI',
      role: 'OPERATOR',
      scopes: null,
    });
  });

  for (const kid of ['rsa-1', 'ec-1']) {
    it(`accepts a token of the identity provider (${kid}), with the highest of its roles`, async () => {
      const token = await provider.sign(kid, { roles: ['everybody', 'viewer', 'Operator'], role: 'ADMIN' });
      const { data, errors } = await sendQuery(token);
      assert.deepEqual(errors, []);
      assert.equal(data.me.role, 'OPERATOR');
      assert.equal(data.me.id, `token:${PROVIDER}:tester`);
    });
  }

  for (const alg of ['none', 'None', 'nOnE', 'NONE', '']) {
    it(`refuses the algorithm ${JSON.stringify(alg)}, with and without a signature`, async () => {
      await assertRefused(forgeToken({ alg, typ: 'JWT' }, undefined), /accepted/);
      await assertRefused(forgeToken({ alg, typ: 'JWT' }, JWT_SECRET), /accepted/);
    });
  }

  it("refuses HS256 tokens that are signed with the provider's public key, in any encoding", async () => {
    const pem = await provider.publicKey('rsa-1');
    for (const key of [pem, pem.trim(), `${pem.trim()}\n`, pem.replaceAll('\n', '')]) {
      for (const header of [{ alg: 'HS256' }, { alg: 'HS256', kid: 'rsa-1' }]) {
        await assertRefused(
          forgeToken(header, key),
          /signature of the token is invalid|signing key of the token is unknown/,
        );
        await assertRefused(
          forgeToken(header, key, { iss: PROVIDER, roles: 'ADMIN' }),
          /signature of the token is invalid|signing key of the token is unknown/,
        );
      }
    }
  });

  it("refuses tokens that are signed with the API's secret but name another algorithm", async () => {
    for (const alg of ['RS256', 'ES256']) {
      await assertRefused(
        forgeToken({ alg, kid: 'rsa-1' }, JWT_SECRET, { iss: PROVIDER }),
        /signature|signing key of the token is unknown|neither/,
      );
    }
    for (const alg of ['HS384', 'HS512', 'PS256', 'EdDSA', 'dir']) {
      await assertRefused(forgeToken({ alg }, JWT_SECRET), /accepted/);
    }
  });

  it('refuses an RS256 token whose header names ES256', async () => {
    const [header, ...rest] = (await provider.sign('rsa-1', { roles: 'ADMIN' })).split('.');
    const swapped = { ...JSON.parse(Buffer.from(header!, 'base64url').toString()), alg: 'ES256' };
    const token = [Buffer.from(JSON.stringify(swapped)).toString('base64url'), ...rest].join('.');
    await assertRefused(token, /signing key of the token is unknown|signature/);
  });

  it('refuses a token that is signed with a key in its own header', async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
    const jwk = await crypto.subtle.exportKey('jwk', publicKey);
    const token = await new SignJWT({ ...claims({ iss: PROVIDER }), roles: 'ADMIN' })
      .setProtectedHeader({ alg: 'RS256', jwk: jwk as never, jku: 'https://attacker.example.com/jwks' })
      .sign(privateKey);
    await assertRefused(token, /signature|signing key of the token is unknown/);
  });

  it('refuses an unknown key ID, and does not fetch the keys of the provider each time', async () => {
    const unknownKey = await generateKeyPair('RS256');
    const before = provider.asked;
    for (let tries = 0; tries < 5; tries += 1) {
      const token = await new SignJWT(claims({ iss: PROVIDER, roles: 'ADMIN' }))
        .setProtectedHeader({ alg: 'RS256', kid: `made-up-${tries}` })
        .sign(unknownKey.privateKey);
      await assertRefused(token, /signing key of the token is unknown/);
    }
    assert.ok(provider.asked - before <= 1, `the keys were fetched ${provider.asked - before} times`);
    await assertRefused(
      await signToken({}, JWT_SECRET, { kid: 'made-up' }),
      /signing key of the token is unknown/,
    );
  });

  // Functions, because the times are relative to the start of each test.
  const wrongClaims: [string, () => object, RegExp][] = [
    ['expired', () => ({ exp: seconds(-60) }), /expired/],
    ['not yet valid', () => ({ nbf: seconds(300) }), /not valid yet/],
    ['issued in the future', () => ({ iat: seconds(300) }), /not valid yet/],
    ['of another issuer', () => ({ iss: 'somebody' }), /another issuer or audience/],
    [
      "of the provider's issuer, but signed with the API's secret",
      () => ({ iss: PROVIDER }),
      /another issuer or audience/,
    ],
    ['for another audience', () => ({ aud: 'another-api' }), /another issuer or audience/],
    ['without an audience', () => ({ aud: undefined }), /another issuer or audience/],
    ['without an expiry', () => ({ exp: undefined }), /another issuer or audience/],
    ['with an expiry that is not a number', () => ({ exp: '2099' }), /another issuer or audience|neither/],
    ['without a subject', () => ({ sub: undefined }), /another issuer or audience/],
    ['with a subject of 300 characters', () => ({ sub: 'x'.repeat(300) }), /another issuer or audience/],
    ['with an unknown role', () => ({ role: 'root' }), /no role/],
    ['without a role', () => ({ role: undefined }), /no role/],
    ['of a user that does not exist', () => ({ sub: `user:${crypto.randomUUID()}` }), /user is disabled/],
    ['of a user with a forged id', () => ({ sub: "user:' OR 1=1 --" }), /user is disabled/],
  ];
  for (const [what, more, message] of wrongClaims) {
    it(`refuses a token ${what}`, async () => assertRefused(await signToken(more()), message));
  }

  it('accepts clock differences below the permitted skew', async () => {
    const { status } = await sendQuery(
      await signToken({ exp: seconds(-10), nbf: seconds(10), iat: seconds(10) }),
    );
    assert.equal(status, 200);
  });

  it('refuses a token with a modified payload, signature or number of parts', async () => {
    const token = await signToken({ role: 'VIEWER' });
    const [header, , signature] = token.split('.');
    const payload = Buffer.from(JSON.stringify(claims({ role: 'ADMIN' }))).toString('base64url');
    await assertRefused(`${header}.${payload}.${signature}`, /signature of the token is invalid/);
    await assertRefused(
      await signToken({}, 'another secret that is long enough to be one'),
      /signature of the token is invalid/,
    );
    await assertRefused(`${token}.${signature}`, /neither|accepted/);
    await assertRefused(token.slice(0, -8), /signature of the token is invalid|neither/);
  });

  for (const [what, header] of [
    ['another scheme', 'Basic YWRtaW46YWRtaW4='],
    ['no token', 'Bearer '],
    ['a word', 'Bearer hello'],
    ['words separated by dots', 'Bearer a.b.c'],
    ['9,000 characters', `Bearer ${'x'.repeat(9_000)}`],
    ['a malformed API key', 'Bearer pcf_short'],
  ] as const) {
    it(`refuses an authorization header with ${what}`, async () => {
      const { status, errors } = await api.graphql(ME, {}, { authorization: header });
      assert.equal(status, 401);
      assert.match(errors[0]!.message, /neither a token nor an API key/);
    });
  }

  it('refuses a request with both a token and an API key', async () => {
    const headers = { ...(await bearer()), 'x-api-key': 'pcf_x' };
    assert.equal((await api.graphql(ME, {}, headers)).status, 401);
  });

  it('does not log tokens or secrets', async () => {
    const token = await signToken({ exp: seconds(-60) });
    await assertRefused(token, /expired/);
    assert.ok(!api.output.includes(token.split('.')[2]!), 'the token is in the log');
    assert.ok(!api.output.includes(JWT_SECRET), 'the secret is in the log');
  });

  it('rejects an invalid secret in the file, and accepts tokens of a valid one and of the previous one', async () => {
    const old = await bearer();
    const next = 'the next secret of the tests, long enough as well';
    writeFileSync(secretFile, 'short\n');
    await eventually('the rejection of the new secret is logged', () =>
      api.logs.some(({ msg }) => msg === 'new token signing secret rejected, keeping the previous one'),
    );
    assert.equal((await api.graphql(ME, {}, old)).status, 200);
    writeFileSync(secretFile, `${next}\n`);
    await eventually('a token of the new secret is accepted', async () => {
      const answer = await api.graphql(ME, {}, await bearer({}, next));
      return answer.status === 200;
    });
    assert.equal((await api.graphql(ME, {}, old)).status, 200);
  });

  it('accepts tokens of a secret on the second line of the file, also after a restart', async () => {
    const next = 'yet another secret of the tests, of enough bytes';
    writeFileSync(secretFile, `${next}\n${JWT_SECRET}\n`);
    const other = await ApiProcess.start({
      PCF_API__DATABASE__URL: url,
      PCF_API__AUTH__JWT_SECRET_FILE: secretFile,
    });
    try {
      await other.waitForReady();
      assert.equal((await other.graphql(ME, {}, await bearer())).status, 200);
      assert.equal((await other.graphql(ME, {}, await bearer({}, next))).status, 200);
    } finally {
      await other.kill();
    }
  });

  for (const [what, more, message] of [
    [
      'a secret that is too short',
      { PCF_API__AUTH__JWT_SECRET: 'short' },
      /auth.jwt_secret: requires at least 32 bytes/,
    ],
    [
      'a public key as the secret',
      {
        PCF_API__AUTH__JWT_SECRET: `-----BEGIN PUBLIC KEY-----\n${'A'.repeat(64)}\n-----END PUBLIC KEY-----`,
      },
      /auth.jwt_secret: must be random text/,
    ],
    [
      'a JWKS URL without TLS in production',
      {
        PCF_API__ENVIRONMENT: 'production',
        PCF_API__AUTH__JWKS_URL: 'http://provider.example.com',
        PCF_API__AUTH__JWKS_ISSUER: PROVIDER,
      },
      /auth.jwks_url: must be an https URL/,
    ],
    [
      'a JWKS URL without an issuer',
      { PCF_API__AUTH__JWKS_URL: 'https://provider.example.com' },
      /jwks_issuer/,
    ],
  ] as const) {
    it(`does not start with ${what}`, async () => {
      const { code, stderr } = await runRole(['serve'], { PCF_API__DATABASE__URL: url, ...more });
      assert.equal(code, 78, stderr);
      assert.match(stderr, message);
      assert.ok(!stderr.includes('AAAA'));
    });
  }

  it('without authentication in development, logs a warning and still refuses invalid credentials', async () => {
    const open = await ApiProcess.start({ PCF_API__DATABASE__URL: url });
    try {
      await open.waitForReady();
      assert.ok(
        open.logs.some(({ level, msg }) => level === 'warn' && /authentication is disabled/.test(`${msg}`)),
      );
      assert.deepEqual((await open.graphql('{ me { kind role } }')).data.me, { kind: 'OPEN', role: 'ADMIN' });
      assert.equal((await open.graphql(ME, {}, await bearer())).status, 401);
    } finally {
      await open.kill();
    }
  });
});
