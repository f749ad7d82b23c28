/**
 * Refresh tokens. Each is good once: using it gives the next of its family, which is all that
 * came of one login. One that is used twice was stolen, from whom nobody can tell, so its
 * whole family ends.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { hashSecret } from '../../platform/auth/api-key.js';

export type Refreshed =
  | { outcome: 'refreshed'; userUuid: string; token: string }
  /** `ended`: how many tokens were still good and are no more. */
  | { outcome: 'reused'; userUuid: string; ended: number }
  | { outcome: 'unknown' };

export class RefreshTokens {
  constructor(
    private readonly dataSource: DataSource,
    private readonly ttlMs: number,
  ) {}

  /** The first of a new family. */
  async issue(userUuid: string): Promise<string> {
    const { token, hash } = newToken();
    await this.dataSource.query(
      `INSERT INTO refresh_tokens (user_id, family, token_hash, expires_at)
       VALUES ($1, $2, $3, now() + CAST($4 AS double precision) * interval '1 ms')`,
      [userUuid, randomUUID(), hash, this.ttlMs],
    );
    return token;
  }

  /**
   * In one statement, so that of two who come with the same token one is the second. That of a
   * user who is disabled is not used by it: who comes with it again is no thief. The user's row is
   * locked first: what ends every login waits for the next token, and finds it, or comes before.
   */
  async rotate(used: string): Promise<Refreshed> {
    const { token, hash } = newToken();
    const [next]: { user_id: string }[] = await this.dataSource.query(
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
    return this.#endIfReused(used);
  }

  /** Ends the login that a token belongs to. Whose it was, if there is such a token. */
  async end(token: string): Promise<string | undefined> {
    const [row]: { user_id: string }[] = await this.dataSource.query(
      `WITH given AS (SELECT user_id, family FROM refresh_tokens WHERE token_hash = $1), ended AS (
         UPDATE refresh_tokens SET revoked_at = now()
         WHERE family = (SELECT family FROM given) AND revoked_at IS NULL
       ) SELECT user_id FROM given`,
      [hashSecret(token)],
    );
    return row?.user_id;
  }

  async #endIfReused(token: string): Promise<Refreshed> {
    const [row]: { user_id: string; ended: number }[] = await this.dataSource.query(
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
 * Ends what a token was exchanged for while every login of its user was being ended: the statement
 * that ends them does not see what was made since it began, and this one does.
 */
export async function endLoginsMadeMeanwhile(dataSource: DataSource, userUuid: string): Promise<void> {
  await dataSource.query(
    'UPDATE refresh_tokens SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL',
    [userUuid],
  );
}

function newToken(): { token: string; hash: Buffer } {
  const token = `pcfr_${randomBytes(32).toString('base64url')}`;
  return { token, hash: hashSecret(token) };
}
