import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A migration that PostgreSQL rejects. */
export class Failing1795370000201 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE no_such_table ADD COLUMN x text');
  }

  async down(): Promise<void> {}
}
