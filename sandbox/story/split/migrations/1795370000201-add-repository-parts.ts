import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * `services.repository` contains "https://git.example.com/acme/shop#main"; version 2 separates URL and
 * branch. While both versions serve, a trigger writes the columns of the other version, so the versions are
 * independent, and after an undo all rows are valid for version 1.
 */
export class AddRepositoryParts1795370000201 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'ALTER TABLE services ADD COLUMN repository_url text, ADD COLUMN repository_branch text',
    );
    await runner.query(`
      CREATE FUNCTION services_sync_repository() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        -- Version 1 writes the old column alone, version 2 the new ones alone.
        old_column boolean := CASE TG_OP
          WHEN 'INSERT' THEN NEW.repository IS NOT NULL
          ELSE NEW.repository IS DISTINCT FROM OLD.repository END;
      BEGIN
        IF old_column THEN
          NEW.repository_url := split_part(NEW.repository, '#', 1);
          NEW.repository_branch := nullif(split_part(NEW.repository, '#', 2), '');
        ELSIF TG_OP = 'INSERT'
          OR (NEW.repository_url, NEW.repository_branch)
             IS DISTINCT FROM (OLD.repository_url, OLD.repository_branch) THEN
          NEW.repository := NEW.repository_url || coalesce('#' || NEW.repository_branch, '');
        END IF;
        RETURN NEW;
      END $$`);
    await runner.query(`
      CREATE TRIGGER services_sync_repository BEFORE INSERT OR UPDATE ON services
      FOR EACH ROW EXECUTE FUNCTION services_sync_repository()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TRIGGER services_sync_repository ON services');
    await runner.query('DROP FUNCTION services_sync_repository');
    await runner.query('ALTER TABLE services DROP COLUMN repository_url, DROP COLUMN repository_branch');
  }
}
