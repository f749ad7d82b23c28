import type { IdentityStore, KnownKey, KnownUser } from '../../auth/authenticator.js';
import type { Access } from '../../database/access.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { databaseSession } from '../../database/pool/session.js';
import type { Logger } from '../../observability/logging/logger.js';

const FLUSH_MS = 60_000;

/** Reads users and API keys for the authenticator. It reads from the primary: a lagging replica could accept a revoked key. */
export class IdentityTable implements IdentityStore {
  readonly #used = new Map<string, Date>();
  readonly #timer: NodeJS.Timeout;

  constructor(
    private readonly dataSource: DataSource,
    private readonly log: Logger,
  ) {
    this.#timer = setInterval(() => void this.flush(), FLUSH_MS);
    this.#timer.unref();
  }

  async findUser(uuid: string): Promise<KnownUser | undefined> {
    const sql = 'SELECT name, role, disabled_at IS NOT NULL AS disabled FROM users WHERE id = $1';
    const [user] = await this.#query<KnownUser>({ mode: 'read', tables: ['users'] }, sql, [uuid]);
    return user;
  }

  async findKey(prefix: string): Promise<KnownKey | undefined> {
    const [key] = await this.#query<KnownKey>(
      { mode: 'read', tables: ['api_keys'] },
      `SELECT id AS uuid, name, secret_hash AS "secretHash", role, scopes, expires_at AS "expiresAt",
         revoked_at IS NOT NULL AS revoked
       FROM api_keys WHERE prefix = $1`,
      [prefix],
    );
    return key;
  }

  keyUsed(uuid: string): void {
    this.#used.set(uuid, new Date());
  }

  /** Writes the time of last use of all used keys in one statement per minute, instead of one write per request. */
  async flush(): Promise<void> {
    const used = [...this.#used];
    this.#used.clear();
    if (used.length === 0) return;
    const sql = `WITH used AS (
        SELECT * FROM unnest(CAST($1 AS uuid[]), CAST($2 AS timestamptz[])) AS used (id, at)
      ), changed AS (
        UPDATE api_keys SET last_used_at = used.at FROM used
        WHERE api_keys.id = used.id AND (last_used_at IS NULL OR last_used_at < used.at)
        RETURNING 1
      ) SELECT count(*) FROM changed`;
    const values = [used.map(([uuid]) => uuid), used.map(([, at]) => at.toISOString())];
    await this.#query({ mode: 'write', tables: ['api_keys'] }, sql, values).catch((error: unknown) => {
      this.log.warn({ err: error }, 'last use of API keys was not stored');
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  #query<Row extends object>(access: Access, sql: string, values: unknown[]): Promise<Row[]> {
    return databaseSession.exit(() => this.dataSource.runSql<Row>(access, sql, values));
  }
}
