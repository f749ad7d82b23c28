import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Timestamps have millisecond precision, as in JavaScript, so that a cursor with a timestamp identifies its
 * row.
 */
export class CreateDeployments1795370000002 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE deployments (
        id              uuid PRIMARY KEY,
        service_id      uuid NOT NULL REFERENCES services (id),
        environment     text NOT NULL,
        version         text NOT NULL,
        commit          text,
        committed_at    timestamptz(3),
        status          text NOT NULL DEFAULT 'IN_PROGRESS'
                        CHECK (status IN ('IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'ROLLED_BACK')),
        started_at      timestamptz(3) NOT NULL,
        finished_at     timestamptz(3),
        idempotency_key text NOT NULL,
        created_at      timestamptz(3) NOT NULL DEFAULT now(),
        updated_at      timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT deployments_idempotency_key UNIQUE (service_id, idempotency_key),
        CONSTRAINT deployments_finished CHECK ((status = 'IN_PROGRESS') = (finished_at IS NULL))
      )`);
    await runner.query('CREATE INDEX deployments_newest ON deployments (started_at DESC, id DESC)');
    await runner.query(
      'CREATE INDEX deployments_service_newest ON deployments (service_id, started_at DESC, id DESC)',
    );
    await runner.query(
      'CREATE INDEX deployments_environment_newest ON deployments (environment, started_at DESC, id DESC)',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE deployments');
  }
}
