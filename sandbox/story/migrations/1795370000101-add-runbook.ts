import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What version 1.1.0 of the story adds: a column that version 1.0.0 does not know and does not mind. */
export class AddRunbook1795370000101 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE services ADD COLUMN runbook_url text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE services DROP COLUMN runbook_url');
  }
}
