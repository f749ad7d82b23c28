import assert from 'node:assert/strict';
import { pino } from 'pino';
import { Role } from '../../../api-server/auth/roles.js';
import { retentionJob } from '../../../api-server/jobs/retention.js';
import { AuditLog } from '../../../api-server/modules/audit/audit-log.js';
import { annotatedDeployment } from '../../../api-server/modules/deployments/recent-changes.js';
import { LoginService } from '../../../api-server/modules/login/login.service.js';
import { LoginThrottle } from '../../../api-server/modules/login/login-throttle.js';
import { RefreshTokens } from '../../../api-server/modules/login/refresh-tokens.js';
import { UsageTable } from '../../../api-server/modules/schema-usage/usage-table.js';
import { IdentityTable } from '../../../api-server/modules/users/identity-table.js';
import { User } from '../../../api-server/modules/users/user.entity.js';
import { UserService } from '../../../api-server/modules/users/user.service.js';
import { accessIn, comparedStatements } from '../../support/fixtures/declared-access.js';
import { JWT_SECRET } from '../../support/fixtures/tokens.js';
import { DomainUnderTest } from './domain-under-test.js';

const log = pino({ level: 'silent' });

/** `DomainUnderTest` rejects statements with a wrong declaration in the domain tests, too. */
describe('declared access of statements', () => {
  let domain: DomainUnderTest;

  before(async () => {
    domain = await DomainUnderTest.start();
  });
  after(() => domain.close());

  it('matches the statements of logins, refresh tokens and identities', async () => {
    const { dataSource } = domain.database;
    const users = new UserService(dataSource);
    const [email, password] = ['ada@example.com', 'a long enough password'];
    const user = await users.create({ email, name: 'Ada', role: Role.ADMIN, password });
    const secrets = { current: { kid: 'x', key: new TextEncoder().encode(JWT_SECRET) } };
    const service = new LoginService({
      dataSource,
      tokens: new RefreshTokens(dataSource, 60_000),
      signer: { secrets: secrets as never, issuer: 'x', audience: 'x', ttlMs: 60_000 },
      throttle: new LoginThrottle({ attempts: 100, windowMs: 60_000 }, undefined),
      record: new AuditLog(dataSource, log).record,
      log,
    });
    const tokens = new RefreshTokens(dataSource, 60_000);
    const first = await tokens.issue(user.uuid);
    assert.equal((await tokens.rotate(first)).outcome, 'refreshed');
    assert.equal((await tokens.rotate(first)).outcome, 'reused');
    assert.equal(await tokens.revokeFamily(first), user.uuid);
    await assert.rejects(service.login({ email, password: 'wrong' }, '127.0.0.1'), /invalid e-mail/);
    assert.ok((await service.login({ email, password }, '127.0.0.1')).accessToken);
    assert.ok((await service.changePassword({ email, password }, `${password} 2`, '127.0.0.1')).refreshToken);
    await service.logout(first, '127.0.0.1');
    const identities = new IdentityTable(dataSource, log);
    assert.deepEqual(await identities.findUser(user.uuid), { name: 'Ada', role: 'ADMIN', disabled: false });
    assert.equal(await identities.findKey('unknown'), undefined);
    identities.keyUsed(user.uuid);
    await identities.close();
  });

  it('matches the statements of jobs', async () => {
    const { dataSource } = domain.database;
    const service = await domain.createService('web');
    await domain.record(service);
    const [row] = await domain.sql<{ id: string }>('SELECT id FROM deployments');
    assert.equal((await annotatedDeployment(dataSource, row!.id))?.service, 'web');
    const rules = [{ table: 'refresh_tokens', where: 'expires_at < $1', keepMs: 1 }];
    await retentionJob(dataSource, rules, 1_000).handle({}, {
      signal: new AbortController().signal,
      log,
    } as never);
    const usages = new UsageTable(dataSource);
    const usage = { name: 'key:ci', application: '', version: '', coordinate: 'Service.owner', count: 2 };
    await usages.add([usage]);
    await usages.add([usage]);
    await usages.serve({ hash: 'h', sdl: 'type Query { a: Int }', version: '1.0.0' });
    assert.deepEqual(await domain.sql('SELECT count FROM schema_usage'), [{ count: 4 }]);
    assert.ok(comparedStatements.size > 15, `only ${comparedStatements.size} statements`);
  });

  it('rejects statements with a wrong declaration or without one', async () => {
    const { dataSource } = domain.database;
    const sql = 'SELECT services.id FROM services JOIN users ON true';
    await assert.rejects(dataSource.runSql({ mode: 'read', tables: ['services'] }, sql), /declared .* users/);
    await assert.rejects(
      dataSource.runSql({ mode: 'read', tables: ['users'] }, 'DELETE FROM users'),
      /write/,
    );
    await assert.rejects(dataSource.manager.count(User), /declares no access/);
    await assert.rejects(dataSource.query('SELECT 1' as never), /declares no access/);
  });

  it('detects the mode and the tables of a statement', async () => {
    const insert =
      'WITH changed AS (INSERT INTO deployments (id) SELECT 1 FROM services RETURNING *) SELECT * FROM changed';
    for (const [sql, mode, tables] of [
      [insert, 'write', ['deployments', 'services']],
      ['UPDATE "services" AS t SET a = 1', 'write', ['services']],
      ['SELECT 1 FROM a JOIN b ON true', 'read', ['a', 'b']],
      ['SELECT updated_at FROM a', 'read', ['a']],
      ['SELECT 1 FROM a FOR NO KEY UPDATE SKIP LOCKED', 'write', ['a']],
      ["SELECT pg_notify('a', 'b')", 'write', []],
    ] as const) {
      const access = await accessIn(sql);
      assert.deepEqual([access.mode, [...access.tables].sort()], [mode, tables], sql);
    }
  });
});
