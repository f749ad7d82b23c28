import type { MigrationInterface, QueryRunner } from 'typeorm';

/** No foreign keys: audit events remain after their actor or their target is deleted. */
export class CreateAuditEvents1795370000032 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE audit_events (
        id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        occurred_at timestamptz(3) NOT NULL DEFAULT now(),
        actor       text NOT NULL,
        actor_name  text NOT NULL,
        role        text,
        action      text NOT NULL,
        input       jsonb NOT NULL,
        subject     text,
        outcome     text NOT NULL CHECK (outcome IN ('SUCCEEDED', 'FAILED', 'DENIED')),
        error_code  text,
        request_id  text
      )`);
    for (const [name, columns] of [
      ['audit_events_newest', 'occurred_at DESC, id DESC'],
      ['audit_events_actor_newest', 'actor, occurred_at DESC, id DESC'],
      ['audit_events_action_newest', 'action, occurred_at DESC, id DESC'],
      ['audit_events_subject_newest', 'subject, occurred_at DESC, id DESC'],
    ] as const) {
      await runner.query(`CREATE INDEX ${name} ON audit_events (${columns})`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE audit_events');
  }
}
