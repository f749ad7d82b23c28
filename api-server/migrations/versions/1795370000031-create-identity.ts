import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Only hashes of passwords, keys and tokens are stored. */
export class CreateIdentity1795370000031 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE users (
        id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        email         text NOT NULL CONSTRAINT users_email_key UNIQUE CHECK (email = lower(email)),
        name          text NOT NULL,
        role          text NOT NULL CHECK (role IN ('VIEWER', 'OPERATOR', 'ADMIN')),
        password_hash text,
        disabled_at   timestamptz(3),
        last_login_at timestamptz(3),
        created_at    timestamptz(3) NOT NULL DEFAULT now(),
        updated_at    timestamptz(3) NOT NULL DEFAULT now()
      )`);
    await runner.query('CREATE INDEX users_created ON users (created_at, id)');
    await runner.query(`
      CREATE TABLE api_keys (
        id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        name         text NOT NULL,
        prefix       text NOT NULL CONSTRAINT api_keys_prefix_key UNIQUE,
        secret_hash  bytea NOT NULL,
        role         text NOT NULL CHECK (role IN ('VIEWER', 'OPERATOR', 'ADMIN')),
        scopes       text[],
        created_by   text NOT NULL,
        expires_at   timestamptz(3),
        revoked_at   timestamptz(3),
        last_used_at timestamptz(3),
        created_at   timestamptz(3) NOT NULL DEFAULT now(),
        updated_at   timestamptz(3) NOT NULL DEFAULT now()
      )`);
    await runner.query('CREATE INDEX api_keys_created ON api_keys (created_at, id)');
    await runner.query(`
      CREATE TABLE refresh_tokens (
        id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        family     uuid NOT NULL,
        token_hash bytea NOT NULL CONSTRAINT refresh_tokens_hash_key UNIQUE,
        used_at    timestamptz(3),
        revoked_at timestamptz(3),
        expires_at timestamptz(3) NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now()
      )`);
    await runner.query('CREATE INDEX refresh_tokens_family ON refresh_tokens (family)');
    await runner.query('CREATE INDEX refresh_tokens_user ON refresh_tokens (user_id)');
    await runner.query('CREATE INDEX refresh_tokens_expires ON refresh_tokens (expires_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE refresh_tokens, api_keys, users');
  }
}
