import type { MigrationInterface, QueryRunner } from 'typeorm';

const INDEXES: readonly [name: string, definition: string][] = [
  ['deployments_service_environment_newest', '(service_id, environment, started_at DESC, id DESC)'],
  ['deployments_release_newest', '(release_id, started_at DESC, id DESC)'],
  // Include all columns of the delivery metrics, which permits index-only scans.
  ['deployments_ended', '(finished_at) INCLUDE (service_id, environment, status, committed_at, id)'],
  ['deployments_service_ended', '(service_id, environment, finished_at) INCLUDE (status, committed_at, id)'],
];

export class IndexDeployments1795370000016 implements MigrationInterface {
  static readonly phase = 'expand';
  static readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    for (const [name, definition] of INDEXES) {
      await runner.query(`CREATE INDEX CONCURRENTLY IF NOT EXISTS ${name} ON deployments ${definition}`);
    }
    await runner.query(`
      CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS deployments_finish_key
      ON deployments (service_id, finish_idempotency_key) WHERE finish_idempotency_key IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX CONCURRENTLY IF EXISTS deployments_finish_key');
    for (const [name] of INDEXES) await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
  }
}
