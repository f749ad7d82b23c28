import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * An event is written in the transaction of its change, and its position is assigned after the
 * commit: transactions commit in another order than they draw numbers from a sequence, and a reader
 * at a position must have received all events before it.
 */
export class CreateEventsAndWebhooks1795370000015 implements MigrationInterface {
  static readonly phase = 'expand';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE event_stream (
        only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        position bigint NOT NULL DEFAULT 0
      )`);
    await runner.query('INSERT INTO event_stream DEFAULT VALUES');
    await runner.query(`
      CREATE TABLE domain_events (
        id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        position    bigint CONSTRAINT domain_events_position_key UNIQUE,
        kind        text NOT NULL,
        subject_id  uuid NOT NULL,
        service_id  uuid NOT NULL,
        environment text NOT NULL,
        payload     jsonb NOT NULL,
        occurred_at timestamptz(3) NOT NULL DEFAULT now()
      )`);
    await runner.query('CREATE INDEX domain_events_pending ON domain_events (id) WHERE position IS NULL');
    await runner.query('CREATE INDEX domain_events_occurred ON domain_events (occurred_at)');
    await runner.query(`
      CREATE TABLE webhooks (
        id                      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        url                     text NOT NULL,
        description             text,
        events                  text[] NOT NULL,
        service_id              uuid REFERENCES services (id),
        environment             text,
        enabled                 boolean NOT NULL DEFAULT true,
        secret                  text NOT NULL,
        previous_secret         text,
        previous_secret_expires timestamptz(3),
        created_at              timestamptz(3) NOT NULL DEFAULT now(),
        updated_at              timestamptz(3) NOT NULL DEFAULT now()
      )`);
    await runner.query('CREATE INDEX webhooks_created ON webhooks (created_at, id)');
    await runner.query(`
      CREATE TABLE webhook_messages (
        id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        webhook_id   uuid NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
        event_id     bigint NOT NULL REFERENCES domain_events (id) ON DELETE CASCADE,
        status       text NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'DELIVERED', 'FAILED')),
        attempts     integer NOT NULL DEFAULT 0,
        last_error   text,
        queued_at    timestamptz(3),
        delivered_at timestamptz(3),
        created_at   timestamptz(3) NOT NULL DEFAULT now()
      )`);
    await runner.query(
      `CREATE INDEX webhook_messages_pending ON webhook_messages (created_at) WHERE status = 'PENDING'`,
    );
    await runner.query(
      'CREATE INDEX webhook_messages_newest ON webhook_messages (webhook_id, created_at DESC, id DESC)',
    );
    await runner.query('CREATE INDEX webhook_messages_event ON webhook_messages (event_id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE webhook_messages, webhooks, domain_events, event_stream');
  }
}
