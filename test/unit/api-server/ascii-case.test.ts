import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { pino } from 'pino';
import { highestRole } from '../../../api-server/auth/roles.js';
import { credentialsOf } from '../../../api-server/graphql/subscriptions/subscriptions.js';
import { shouldUpgradeCallback } from '../../../api-server/http/upgrade.js';
import { LoginService } from '../../../api-server/modules/login/login.service.js';
import { asciiLowerCase, asciiUpperCase } from '../../../contract/ascii.js';

/** Folders with code that decides about access. */
const SECURITY = [
  'auth',
  'http',
  'graphql/subscriptions',
  'modules/users',
  'modules/login',
  'modules/api-keys',
];

describe('case mapping in security decisions', () => {
  it('asciiUpperCase and asciiLowerCase: change ASCII letters only', () => {
    assert.equal(asciiUpperCase('admin-1 \u0131\u017f\u00df\u00e4'), 'ADMIN-1 \u0131\u017f\u00df\u00e4');
    assert.equal(asciiLowerCase('ADMIN-1 \u212a\u0130\u00c4'), 'admin-1 \u212a\u0130\u00c4');
    const ascii = fc.string({ unit: 'binary-ascii' });
    fc.assert(fc.property(ascii, (text) => asciiUpperCase(text) === text.toUpperCase()));
    fc.assert(fc.property(ascii, (text) => asciiLowerCase(text) === text.toLowerCase()));
  });

  it('highestRole: accepts ASCII letters in any case', () => {
    assert.equal(highestRole('admin'), 'ADMIN');
    assert.equal(highestRole(['viewer', 'oPeRaToR', 'guest']), 'OPERATOR');
  });

  it('highestRole: rejects letters that Unicode maps to those of a role', () => {
    for (const role of [
      'adm\u0131n',
      'ADM\u0131N',
      'v\u0131ewer',
      'adm\u0130n',
      '\uff21\uff24\uff2d\uff29\uff2e',
    ])
      assert.equal(highestRole(role), undefined, role);
    assert.equal(highestRole(['adm\u0131n', 'viewer']), 'VIEWER');
  });

  it('credentialsOf: a parameter name with a Kelvin sign is no credential', () => {
    const headers = { authorization: 'Bearer of-the-upgrade' };
    const found = credentialsOf({ headers, connectionParams: { 'x-api-\u212aey': 'pcf_x' } });
    assert.deepEqual(found, headers);
    assert.deepEqual(credentialsOf({ headers, connectionParams: { 'X-API-Key': 'pcf_x' } }), {
      'x-api-key': 'pcf_x',
    });
  });

  it('shouldUpgradeCallback: accepts WebSocket in ASCII letters of any case only', () => {
    const accepts = (upgrade: string) =>
      shouldUpgradeCallback.call({ listenerCount: () => 1 }, { headers: { upgrade } });
    assert.equal(accepts('WebSocket'), true);
    assert.equal(accepts('websoc\u212aet'), false);
  });

  it('login: an e-mail address with a Kelvin sign is another account', async () => {
    const requestedEmails: unknown[] = [];
    const service = new LoginService({
      dataSource: {
        withManager: (_access: object, work: (manager: object) => Promise<unknown>) =>
          work({
            findOne: async (_entity: unknown, { where }: { where: { email: string } }) => {
              requestedEmails.push(where.email);
              return null;
            },
          }),
      },
      throttle: { startAttempt: async () => undefined },
      record: async () => undefined,
      log: pino({ level: 'silent' }),
    } as never);
    const email = 'MAR\u212a@example.com';
    await assert.rejects(service.login({ email, password: 'of no account' }, '192.0.2.1'));
    assert.deepEqual(requestedEmails, ['mar\u212a@example.com']);
  });

  it('code that decides about access has no Unicode case mapping and no case-insensitive Unicode pattern', () => {
    const files = SECURITY.flatMap((folder) =>
      readdirSync(join('api-server', folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => join('api-server', folder, name)),
    );
    assert.ok(files.length > 30);
    for (const file of files) {
      const text = readFileSync(file, 'utf8');
      assert.doesNotMatch(text, /to(Locale)?(Upper|Lower)Case|localeCompare|Intl\.Collator/, file);
      assert.doesNotMatch(text, /\/[gms]*(i[gms]*[uv]|[uv][gms]*i)[gmsuvi]*[,;.)\s]/, file);
    }
  });
});
