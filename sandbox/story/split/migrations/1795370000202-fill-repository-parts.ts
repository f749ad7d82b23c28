import type { MigrationInterface } from 'typeorm';

/** Fills rows that existed before the trigger. */
export class FillRepositoryParts1795370000202 implements MigrationInterface {
  static readonly phase = 'backfill';
  readonly backfill = {
    table: 'services',
    key: 'id',
    set: "repository_url = split_part(repository, '#', 1), repository_branch = nullif(split_part(repository, '#', 2), '')",
    where: 'repository IS NOT NULL AND repository_url IS NULL',
  };

  async up(): Promise<void> {}
  async down(): Promise<void> {}
}
