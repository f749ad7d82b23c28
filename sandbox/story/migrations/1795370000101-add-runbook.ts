import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Migration of version 1.1.0: adds a column that version 1.0.0 does not use. */
export class AddRunbook1795370000101 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE services ADD COLUMN runbook_url text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE services DROP COLUMN runbook_url');
  }
}
