/**
 * Refresh tokens with rotation. Each token can be used once and is exchanged for the next token of
 * its family; a family is all tokens of one login. A reused token indicates theft, so the whole
 * family is revoked (RFC 9700, section 4.14.2).
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { hashSecret } from '../../auth/api-key.js';
import type { Access } from '../../database/access.js';
import type { DataSource } from '../../database/pool/data-source.js';

const WRITE: Access = { mode: 'write', tables: ['refresh_tokens'] };

export type Refreshed =
  | { outcome: 'refreshed'; userUuid: string; token: string }
  /** `ended`: number of valid tokens that were revoked. */
  | { outcome: 'reused'; userUuid: string; ended: number }
  | { outcome: 'unknown' };

export class RefreshTokens {
  constructor(
    private readonly dataSource: DataSource,
    private readonly ttlMs: number,
  ) {}

  /** Issues the first token of a new family. */
  async issue(userUuid: string): Promise<string> {
    const { token, hash } = newToken();
    await this.dataSource.runSql(
      WRITE,
      `INSERT INTO refresh_tokens (user_id, family, token_hash, expires_at)
       VALUES ($1, $2, $3, now() + CAST($4 AS double precision) * interval '1 ms')`,
      [userUuid, randomUUID(), hash, this.ttlMs],
    );
    return token;
  }

  /**
   * Exchanges a token. One statement, so that only one of two concurrent requests with the same
   * token succeeds. The token of a disabled user is not marked as used, so that a retry does not
   * count as reuse. The statement locks the row of the user first, so that statements that revoke
   * all logins run either before it or see the new token.
   */
  async rotate(used: string): Promise<Refreshed> {
    const { token, hash } = newToken();
    const [next]: { user_id: string }[] = await this.dataSource.runSql(
      { mode: 'write', tables: ['refresh_tokens', 'users'] },
      `WITH owner AS (
         SELECT users.id FROM users JOIN refresh_tokens AS given ON given.user_id = users.id
         WHERE given.token_hash = $1 AND users.disabled_at IS NULL FOR SHARE OF users
       ), used AS (
         UPDATE refresh_tokens AS t SET used_at = now() FROM owner
         WHERE t.token_hash = $1 AND t.used_at IS NULL AND t.revoked_at IS NULL AND t.expires_at > now()
           AND owner.id = t.user_id
         RETURNING t.user_id, t.family
       ), next AS (
         INSERT INTO refresh_tokens (user_id, family, token_hash, expires_at)
         SELECT user_id, family, $2, now() + CAST($3 AS double precision) * interval '1 ms' FROM used
         RETURNING user_id
       ) SELECT user_id FROM next`,
      [hashSecret(used), hash, this.ttlMs],
    );
    if (next) return { outcome: 'refreshed', userUuid: next.user_id, token };
    return this.#revokeIfReused(used);
  }

  /** Revokes the family of a token. Returns the ID of its user; undefined when the token is unknown. */
  async revokeFamily(token: string): Promise<string | undefined> {
    const [row]: { user_id: string }[] = await this.dataSource.runSql(
      WRITE,
      `WITH given AS (SELECT user_id, family FROM refresh_tokens WHERE token_hash = $1), ended AS (
         UPDATE refresh_tokens SET revoked_at = now()
         WHERE family = (SELECT family FROM given) AND revoked_at IS NULL
       ) SELECT user_id FROM given`,
      [hashSecret(token)],
    );
    return row?.user_id;
  }

  async #revokeIfReused(token: string): Promise<Refreshed> {
    const [row]: { user_id: string; ended: number }[] = await this.dataSource.runSql(
      WRITE,
      `WITH given AS (
         SELECT user_id, family FROM refresh_tokens WHERE token_hash = $1 AND used_at IS NOT NULL
       ), ended AS (
         UPDATE refresh_tokens SET revoked_at = now()
         WHERE family = (SELECT family FROM given) AND revoked_at IS NULL RETURNING used_at
       ) SELECT user_id, (SELECT count(*)::int FROM ended WHERE used_at IS NULL) AS ended FROM given`,
      [hashSecret(token)],
    );
    return row ? { outcome: 'reused', userUuid: row.user_id, ended: row.ended } : { outcome: 'unknown' };
  }
}

/**
 * Revokes refresh tokens that were issued while a statement revoked all logins of the user: the
 * snapshot of that statement does not include them.
 */
export async function revokeConcurrentRefreshTokens(dataSource: DataSource, userUuid: string): Promise<void> {
  await dataSource.runSql(
    WRITE,
    'UPDATE refresh_tokens SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL',
    [userUuid],
  );
}

function newToken(): { token: string; hash: Buffer } {
  const token = `pcfr_${randomBytes(32).toString('base64url')}`;
  return { token, hash: hashSecret(token) };
}
