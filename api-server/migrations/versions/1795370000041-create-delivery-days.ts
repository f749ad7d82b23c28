import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Daily aggregates of deployments whose retention has expired, sufficient for all delivery metrics. */
export class CreateDeliveryDays1795370000041 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE delivery_days (
        service_id   uuid NOT NULL REFERENCES services (id),
        environment  text NOT NULL,
        day          date NOT NULL,
        deployments  integer NOT NULL,
        succeeded    integer NOT NULL,
        failed       integer NOT NULL,
        rolled_back  integer NOT NULL,
        bad_changes  integer NOT NULL,
        lead_times   float8[] NOT NULL,
        rolled_up_at timestamptz(3) NOT NULL DEFAULT now(),
        PRIMARY KEY (service_id, environment, day)
      )`);
    await runner.query('CREATE INDEX delivery_days_day ON delivery_days (day)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE delivery_days');
  }
}
