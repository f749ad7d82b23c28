import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateIncidents1795370000014 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE incidents (
        id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        service_id      uuid NOT NULL REFERENCES services (id),
        environment     text NOT NULL,
        deployment_id   uuid REFERENCES deployments (id) ON DELETE SET NULL,
        title           text NOT NULL,
        description     text,
        severity        text NOT NULL CHECK (severity IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
        opened_at       timestamptz(3) NOT NULL,
        resolved_at     timestamptz(3) CHECK (resolved_at >= opened_at),
        idempotency_key text,
        request_digest  text,
        created_at      timestamptz(3) NOT NULL DEFAULT now(),
        updated_at      timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT incidents_idempotency_key UNIQUE (service_id, idempotency_key)
      )`);
    for (const [name, columns] of [
      ['incidents_newest', 'opened_at DESC, id DESC'],
      ['incidents_service_newest', 'service_id, opened_at DESC, id DESC'],
      ['incidents_environment_newest', 'environment, opened_at DESC, id DESC'],
      ['incidents_deployment_newest', 'deployment_id, opened_at DESC, id DESC'],
      ['incidents_resolved', 'resolved_at'],
    ] as const) {
      await runner.query(`CREATE INDEX ${name} ON incidents (${columns})`);
    }
    await runner.query(
      `CREATE INDEX incidents_text ON incidents USING gin (to_tsvector('simple', title || ' ' || coalesce(description, '')))`,
    );
    await runner.query(`
      CREATE TRIGGER incidents_environment AFTER INSERT ON incidents
      FOR EACH ROW EXECUTE FUNCTION register_environment()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE incidents');
  }
}
