import { asciiLowerCase } from '../../../contract/ascii.js';
import { hashPassword } from '../../auth/passwords.js';
import { Role } from '../../auth/roles.js';
import { Bindings } from '../../database/conditions.js';
import { sqlState, UNIQUE_VIOLATION } from '../../database/pool/connection-errors.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { assignments, changeRows, insertRow } from '../../database/rows.js';
import { conflict, notFound } from '../../errors.js';
import { uuidOf } from '../../graphql/relay/global-id.js';
import { revokeConcurrentRefreshTokens } from '../login/refresh-tokens.js';
import { User, userType } from './user.entity.js';
import type { CreateUserInput, SetUserPasswordInput, UpdateUserInput } from './user.inputs.js';

const { table } = userType;

/** Creates and updates users. */
export class UserService {
  constructor(private readonly dataSource: DataSource) {}

  /** Throws CONFLICT when the e-mail address exists. */
  async create({ email, name, role, password }: CreateUserInput): Promise<User> {
    const passwordHash = password == null ? null : await hashPassword(password);
    const values = { uuid: crypto.randomUUID(), email: asciiLowerCase(email), name, role, passwordHash };
    return insertRow(this.dataSource, table, values).catch((error: unknown) => {
      if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
      throw conflict('a user with this e-mail address already exists', 'input.email');
    });
  }

  /** Throws CONFLICT when no enabled admin would remain. */
  async update({ id, name, role, disabled }: UpdateUserInput): Promise<User> {
    const uuid = uuidOf('User', id, 'input.id');
    const bindings = new Bindings();
    const { bind } = bindings;
    const key = bind(uuid);
    const set = assignments(table, { name: name ?? undefined, role: role ?? undefined }, bindings);
    const disabling =
      disabled == null ? '' : `, disabled_at = ${disabled ? 'coalesce(disabled_at, now())' : 'NULL'}`;
    const staysAdmin = bind((role == null || role === Role.ADMIN) && disabled !== true);
    // The row locks serialize concurrent updates of admins; otherwise two admins could remove each other.
    const admins = `admins AS (
        SELECT id FROM users WHERE role = 'ADMIN' AND disabled_at IS NULL ORDER BY id FOR UPDATE
      )`;
    const sql = `UPDATE users AS t SET ${set}${disabling} WHERE t.id = ${key}
      AND (${staysAdmin} OR NOT EXISTS (SELECT FROM admins WHERE id = ${key})
        OR EXISTS (SELECT FROM admins WHERE id <> ${key}))`;
    const revoked = `revoked AS (
        UPDATE refresh_tokens SET revoked_at = now() WHERE revoked_at IS NULL
        AND user_id IN (SELECT id FROM changed WHERE disabled_at IS NOT NULL)
      )`;
    const change = { tables: ['refresh_tokens'], before: [admins], sql, after: [revoked], bindings };
    const [user] = await changeRows(this.dataSource, table, change);
    if (user) {
      if (disabled === true) await revokeConcurrentRefreshTokens(this.dataSource, uuid);
      return user;
    }
    const isKnown = await this.dataSource.withManager({ mode: 'read', tables: ['users'] }, (manager) =>
      manager.existsBy(User, { uuid }),
    );
    if (!isKnown) throw notFound('user not found', 'input.id');
    throw conflict('this is the last admin; create another admin first', 'input.id');
  }

  /** Revokes all refresh tokens of the user. */
  async setPassword({ id, password }: SetUserPasswordInput): Promise<User> {
    const uuid = uuidOf('User', id, 'input.id');
    const bindings = new Bindings();
    const { bind } = bindings;
    const key = bind(uuid);
    const hash = bind(await hashPassword(password));
    const sql = `UPDATE users SET password_hash = ${hash}, updated_at = now() WHERE id = ${key}`;
    const revoked = `revoked AS (
        UPDATE refresh_tokens SET revoked_at = now() WHERE user_id = ${key} AND revoked_at IS NULL
      )`;
    const change = { tables: ['refresh_tokens'], sql, after: [revoked], bindings };
    const [user] = await changeRows(this.dataSource, table, change);
    if (!user) throw notFound('user not found', 'input.id');
    await revokeConcurrentRefreshTokens(this.dataSource, uuid);
    return user;
  }
}
