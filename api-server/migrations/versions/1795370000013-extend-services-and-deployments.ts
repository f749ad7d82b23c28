import type { MigrationInterface, QueryRunner } from 'typeorm';

/** All columns are nullable, because the old version does not write them. */
export class ExtendServicesAndDeployments1795370000013 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE services ADD COLUMN archived_at timestamptz(3)');
    await runner.query(`
      ALTER TABLE deployments
        ADD COLUMN release_id uuid,
        ADD COLUMN strategy text,
        ADD COLUMN weight smallint,
        ADD COLUMN reason text,
        ADD COLUMN request_digest text,
        ADD COLUMN finish_idempotency_key text,
        ADD COLUMN finish_digest text`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE deployments
        DROP COLUMN release_id, DROP COLUMN strategy, DROP COLUMN weight, DROP COLUMN reason,
        DROP COLUMN request_digest, DROP COLUMN finish_idempotency_key, DROP COLUMN finish_digest`);
    await runner.query('ALTER TABLE services DROP COLUMN archived_at');
  }
}
