import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateServices1795370000001 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE services (
        id          uuid PRIMARY KEY,
        name        text NOT NULL CONSTRAINT services_name_key UNIQUE,
        description text,
        owner       text,
        repository  text,
        created_at  timestamptz(3) NOT NULL DEFAULT now(),
        updated_at  timestamptz(3) NOT NULL DEFAULT now()
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE services');
  }
}
