import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Uses of the GraphQL schema per client and day, and the schemas that are served. */
export class CreateSchemaUsage1795370000043 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE schema_usage (
        id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        coordinate   text NOT NULL,
        client       text NOT NULL,
        application  text NOT NULL,
        version      text NOT NULL,
        day          timestamptz(3) NOT NULL,
        count        float8 NOT NULL,
        last_used_at timestamptz(3) NOT NULL,
        CONSTRAINT schema_usage_key UNIQUE (coordinate, client, application, version, day)
      )`);
    await runner.query('CREATE INDEX schema_usage_last_used ON schema_usage (last_used_at DESC, id DESC)');
    await runner.query(`
      CREATE TABLE served_schemas (
        hash           text PRIMARY KEY,
        sdl            text NOT NULL,
        version        text NOT NULL,
        last_served_at timestamptz(3) NOT NULL
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE served_schemas');
    await runner.query('DROP TABLE schema_usage');
  }
}
