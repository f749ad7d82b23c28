import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * After this, version 1, which reads `repository`, can't serve. Within `contractWindow`, `restore` maintains the hidden
 * column, and an undo brings it back together with the trigger.
 */
export class DropRepository1795370000203 implements MigrationInterface {
  static readonly phase = 'contract';
  static readonly requires = '2.0.0';
  readonly restore = {
    services: { repository: "repository_url || coalesce('#' || repository_branch, '')" },
  };

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TRIGGER services_sync_repository ON services');
    await runner.query('DROP FUNCTION services_sync_repository');
    await runner.query('ALTER TABLE services DROP COLUMN repository');
  }

  /** Text after a second "#" is lost. */
  async down(): Promise<void> {
    throw new Error('restore the backup that was made before it');
  }
}
