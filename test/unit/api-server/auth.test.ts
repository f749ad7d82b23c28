import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { newApiKey, parseApiKey, secretMatches } from '../../../api-server/auth/api-key.js';
import { Authenticator } from '../../../api-server/auth/authenticator.js';
import { checkPassword, hashPassword } from '../../../api-server/auth/passwords.js';
import { ProviderKeys } from '../../../api-server/auth/provider-keys.js';
import { AuthenticationUnavailable } from '../../../api-server/auth/refusal.js';
import { SharedSecrets } from '../../../api-server/auth/shared-secrets.js';
import { TokenVerifier, type VerifiedToken } from '../../../api-server/auth/token-verifier.js';
import { secretProblem } from '../../../api-server/config/signing-secret.js';
import { KeyServer, PROVIDER } from '../../support/servers/key-server.js';

const A = 'the first secret, of more than thirty-two bytes';
const B = 'the second secret, of more than thirty-two bytes';

/** A setting whose value can change, without a file. */
function secret(value: string) {
  const listeners: (() => void)[] = [];
  return {
    value,
    onChange: (listener: () => void) => void listeners.push(listener),
    set(text: string) {
      this.value = text;
      for (const listener of listeners) listener();
    },
  };
}

describe('api-server passwords', () => {
  it('hashPassword: uses argon2id with a random salt, and the hash matches only its password', async () => {
    const [one, two] = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')]);
    assert.match(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[^$]{22}\$[^$]{43}$/);
    assert.notEqual(one, two);
    assert.deepEqual(await checkPassword('correct horse', one), { matches: true, outdated: false });
    assert.equal((await checkPassword('correct horsf', one)).matches, false);
    assert.equal((await checkPassword('', one)).matches, false);
  });

  it('checkPassword: matches a password in another Unicode normalization form', async () => {
    assert.equal((await checkPassword('cafe\u0301', await hashPassword('caf\u00e9'))).matches, true);
  });

  it('checkPassword: matches a hash with other argon2id parameters and reports it as outdated', async () => {
    const cheap = '$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$';
    const { argon2Sync } = await import('node:crypto');
    const parameters = { parallelism: 1, tagLength: 32, memory: 64, passes: 1 };
    const hash = argon2Sync('argon2id', {
      message: 'old',
      nonce: Buffer.from('somesaltsomesalt'),
      ...parameters,
    });
    const phc = cheap + hash.toString('base64').replace(/=+$/, '');
    assert.deepEqual(await checkPassword('old', phc), { matches: true, outdated: true });
  });

  it('checkPassword: does not match when the hash is missing or malformed', async () => {
    for (const phc of [null, '', 'plain', '$argon2id$v=19$m=1,t=1,p=1$$', '$2b$10$abcdefghijklmnopqrstuv']) {
      assert.equal((await checkPassword('', phc)).matches, false);
    }
  });
});

describe('api-server API keys', () => {
  it('parseApiKey: returns the prefix and the secret of a key, and rejects any other text', () => {
    const { key, prefix, secretHash } = newApiKey();
    const parts = parseApiKey(key)!;
    assert.equal(parts.prefix, prefix);
    assert.ok(secretMatches(parts.secret, secretHash));
    assert.ok(!secretMatches(newApiKey().key.slice(21), secretHash));
    assert.ok(!secretMatches(parts.secret, Buffer.alloc(0)));
    for (const text of ['', 'pcf_', `${key}x`, key.slice(1), key.toUpperCase(), ` ${key}`, `${key}\n`]) {
      assert.equal(parseApiKey(text), undefined, text);
    }
    assert.notEqual(newApiKey().key, newApiKey().key);
  });
});

describe('api-server token signing secrets', () => {
  it('sign with the first line, verify with every line, and a kid selects one secret', () => {
    const secrets = new SharedSecrets(secret(`${A}\n\n  ${B}  \n`), 0, assert.fail);
    const [first, second] = secrets.candidates(undefined);
    assert.equal(secrets.candidates(undefined).length, 2);
    assert.equal(secrets.current.kid, first!.kid);
    assert.deepEqual(secrets.candidates(second!.kid), [second]);
    assert.deepEqual(secrets.candidates('another'), []);
    assert.ok(!A.includes(first!.kid));
  });

  it('a replaced secret remains valid for the overlap period, and an invalid new secret is ignored', () => {
    const setting = secret(A);
    const problems: string[] = [];
    const secrets = new SharedSecrets(setting, 60_000, (problem) => void problems.push(problem));
    const old = secrets.current.kid;
    setting.set('short');
    assert.deepEqual([problems.length, secrets.current.kid], [1, old]);
    setting.set(B);
    assert.notEqual(secrets.current.kid, old);
    assert.equal(secrets.candidates(old).length, 1);

    const without = secret(A);
    const strict = new SharedSecrets(without, 0, assert.fail);
    without.set(B);
    assert.equal(strict.candidates(old).length, 0);
  });

  it('secretProblem: rejects empty and short secrets, certificates and public keys', () => {
    assert.equal(secretProblem(A), undefined);
    for (const text of [
      '',
      '\n',
      'short',
      `${A}\nshort`,
      `-----BEGIN CERTIFICATE-----\n${A}`,
      `{"kty":"RSA"}${A}`,
    ])
      assert.ok(secretProblem(text), text);
  });
});

describe('api-server identity provider keys', () => {
  it('expired keys are requested again, and the cached keys are used while the provider is unavailable', async () => {
    const server = await KeyServer.start();
    const log = pino({ level: 'silent' });
    const keys = new ProviderKeys(server.url, log, { maxAgeMs: 0, cooldownMs: 0 });
    const provider = { keys, issuer: PROVIDER, audience: 'pcf-api' };
    const verifier = new TokenVerifier({ issuer: 'pcf-api', audience: 'pcf-api', clockSkewMs: 0, provider });
    try {
      const token = await server.sign('rsa-1');
      server.broken = true;
      await assert.rejects(verifier.verify(token), AuthenticationUnavailable);
      server.broken = false;
      assert.equal((await verifier.verify(token)).ours, false);
      await server.add('RS256', 'rsa-2');
      await verifier.verify(await server.sign('rsa-2'));
      const requestsBefore = server.asked;
      server.broken = true;
      await verifier.verify(token);
      assert.ok(server.asked > requestsBefore, 'the verifier did not request the keys from the provider');
      await verifier.verify(await server.sign('rsa-2'));
    } finally {
      await server.close();
    }
  });
});

describe('api-server identity cache', () => {
  const verifiedToken = (id: string, expiresAt?: Date): VerifiedToken => ({
    ours: true,
    claims: { sub: id, role: 'ADMIN', iss: 'x', exp: (expiresAt?.getTime() ?? Date.now() + 60_000) / 1_000 },
  });
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

  /** An authenticator that verifies tokens with `verify`. */
  function authenticatorOf(verify: (token: string) => Promise<VerifiedToken>, cacheMs = 60_000) {
    const verifier = { verify } as TokenVerifier;
    const store = { findUser: failLookup, findKey: failLookup, keyUsed: () => undefined };
    return new Authenticator({ store, verifier, open: false, roleClaim: 'role', cacheMs });
  }
  async function failLookup(): Promise<undefined> {
    throw new Error('service tokens require no lookup in the store');
  }

  it('concurrent requests with one credential share a lookup, and errors are not cached', async () => {
    let lookups = 0;
    const authenticator = authenticatorOf(async (token) => {
      lookups += 1;
      if (lookups === 1) throw new Error('unavailable');
      return verifiedToken(token);
    });
    const authenticateTwice = () =>
      Promise.allSettled([1, 2].map(() => authenticator.authenticate(bearer('a'))));
    assert.deepEqual(
      (await authenticateTwice()).map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.equal(lookups, 1);
    assert.deepEqual(
      (await authenticateTwice()).map(({ status }) => status),
      ['fulfilled', 'fulfilled'],
    );
    assert.equal((await authenticator.authenticate(bearer('a'))).id, 'token:x:a');
    assert.equal(lookups, 2);
    assert.equal((await authenticator.authenticate(bearer('b'))).id, 'token:x:b');
  });

  it('an identity is looked up again after its TTL, or earlier when its token expires', async () => {
    for (const [cacheMs, expiresAt] of [
      [20, undefined],
      [0, undefined],
      [60_000, new Date(Date.now() + 20)],
    ] as const) {
      let lookups = 0;
      const authenticator = authenticatorOf(async (token) => {
        lookups += 1;
        return verifiedToken(token, expiresAt);
      }, cacheMs);
      await authenticator.authenticate(bearer('a'));
      await sleep(50);
      await authenticator.authenticate(bearer('a'));
      assert.equal(lookups, 2, `TTL ${cacheMs} ms, expiry ${expiresAt?.toISOString()}`);
    }
  });
});
