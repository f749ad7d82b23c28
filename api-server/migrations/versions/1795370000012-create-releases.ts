import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A tag can be rebuilt, so a release is identified by its version, commit and image, as far as these are
 * known.
 */
export class CreateReleases1795370000012 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE releases (
        id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        service_id   uuid NOT NULL REFERENCES services (id),
        version      text NOT NULL,
        commit       text,
        committed_at timestamptz(3),
        image_digest text,
        created_at   timestamptz(3) NOT NULL DEFAULT now()
      )`);
    await runner.query(`
      CREATE UNIQUE INDEX releases_identity
      ON releases (service_id, version, coalesce(commit, ''), coalesce(image_digest, ''))`);
    await runner.query('CREATE INDEX releases_newest ON releases (created_at DESC, id DESC)');
    await runner.query(
      'CREATE INDEX releases_service_newest ON releases (service_id, created_at DESC, id DESC)',
    );
    await runner.query('CREATE INDEX releases_version ON releases (lower(version) text_pattern_ops)');
    await runner.query('CREATE INDEX releases_commit ON releases (commit text_pattern_ops)');
    await runner.query(`
      -- lint:allow slow-under-lock: part of the first release, deployments is empty when it runs
      INSERT INTO releases (service_id, version, commit, committed_at, created_at)
      SELECT service_id, version, commit, min(committed_at), min(created_at)
      FROM deployments GROUP BY service_id, version, commit`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE releases');
  }
}
