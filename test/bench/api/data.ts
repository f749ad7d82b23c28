/** A year of deployments in a real PostgreSQL. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { toGlobalId } from '../../../api-server/graphql/relay/global-id.js';
import type { Postgres } from '../../../sandbox/postgres/postgres.js';
import { runRole } from '../../integration/api-server/api-process.js';

export interface Seeded {
  url: string;
  serviceId: string;
  environment: string;
  environmentId?: string;
  from: string;
  to: string;
}

const SERVICES = 200;

export async function seed(postgres: Postgres, deployments: number): Promise<Seeded> {
  const url = await postgres.createDatabase('bench');
  const migrated = await runRole(['migrate', 'up'], { PCF_API__DATABASE__URL: url });
  if (migrated.code !== 0) throw new Error(`migrate failed: ${migrated.stderr}${migrated.stdout}`);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const service = await fill(client, deployments);
    await addReleases(client);
    await addIncidents(client);
    await client.query('VACUUM ANALYZE');
    const year = 365 * 86_400_000;
    return {
      url,
      serviceId: toGlobalId('Service', service),
      environment: 'production',
      from: new Date(Date.now() - year).toISOString(),
      to: new Date().toISOString(),
    };
  } finally {
    await client.end();
  }
}

async function fill(client: pg.Client, deployments: number): Promise<string> {
  const services = Array.from({ length: SERVICES }, () => randomUUID());
  await client.query(
    `INSERT INTO services (id, name, owner)
     SELECT id, 'service-' || n, 'team-' || n % 10 FROM unnest($1::uuid[]) WITH ORDINALITY AS s (id, n)`,
    [services],
  );
  await client.query(
    `INSERT INTO deployments
       (id, service_id, environment, version, commit, committed_at, status, started_at, finished_at, idempotency_key)
     SELECT gen_random_uuid(), ($1::uuid[])[1 + n % $2], (ARRAY['production', 'staging'])[1 + n / $2 % 2],
       '1.' || n / 100 || '.' || n % 100, md5(n::text), at - interval '3 hours',
       CASE WHEN n % 20 = 0 THEN 'FAILED' WHEN n % 33 = 0 THEN 'ROLLED_BACK' ELSE 'SUCCEEDED' END,
       at, at + interval '7 minutes', 'seed-' || n
     FROM generate_series(1, $3::int) n,
       LATERAL (SELECT now() - interval '365 days' * n / $3::int - interval '10 minutes' AS at) t`,
    [services, SERVICES, deployments],
  );
  return services[0] ?? '';
}

/** Each version of a service is a release. */
async function addReleases(client: pg.Client): Promise<void> {
  await client.query(
    `INSERT INTO releases (service_id, version, commit, committed_at, created_at)
     SELECT service_id, version, commit, min(committed_at), min(committed_at)
     FROM deployments GROUP BY service_id, version, commit`,
  );
  await client.query(
    `UPDATE deployments d SET release_id = r.id FROM releases r
     WHERE r.service_id = d.service_id AND r.version = d.version AND r.commit = d.commit`,
  );
}

/** Every 30th deployment causes an incident. Every fifth incident stays open. */
async function addIncidents(client: pg.Client): Promise<void> {
  await client.query(
    `INSERT INTO incidents (service_id, environment, deployment_id, title, severity, opened_at, resolved_at)
     SELECT service_id, environment, id, 'incident ' || n, (ARRAY['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'])[1 + n % 4],
       finished_at + interval '5 minutes',
       CASE WHEN n % 50 > 0 THEN finished_at + interval '5 minutes' + interval '1 minute' * (n % 240) END
     FROM (SELECT *, row_number() OVER (ORDER BY finished_at) AS n FROM deployments) d WHERE n % 30 = 0`,
  );
}
