import type { MigrationInterface, QueryRunner } from 'typeorm';

/** W3C trace context of the write. Deliveries of the event continue the same trace. */
export class TraceEvents1795370000042 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE domain_events ADD COLUMN trace jsonb');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE domain_events DROP COLUMN trace');
  }
}
