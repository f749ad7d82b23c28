import { makeChange } from '../../database/change.js';
import { Bindings } from '../../database/conditions.js';
import { FOREIGN_KEY_VIOLATION, sqlState } from '../../database/pool/connection-errors.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { conflict, notFound } from '../../errors.js';
import { uuidOf } from '../../graphql/relay/global-id.js';
import { type Release, releaseType } from './release.entity.js';
import type { CreateReleaseInput, ReleaseDetails } from './release.inputs.js';

const { table } = releaseType;
const IDENTITY = `(service_id, version, coalesce(commit, ''), coalesce(image_digest, ''))`;

/** Records releases. Releases are immutable. */
export class ReleaseService {
  constructor(private readonly dataSource: DataSource) {}

  /** Idempotent: a repeated call returns the existing release. Another commit time throws CONFLICT. */
  async create(input: CreateReleaseInput): Promise<Release> {
    const serviceId = uuidOf('Service', input.serviceId, 'input.serviceId');
    const bindings = new Bindings();
    const change = makeChange<{ isNew: boolean }>(this.dataSource, {
      type: table.entity.name,
      tables: [table.name],
      parts: releaseCtes(serviceId, input, bindings),
      changed: 'new_release',
      select: `SELECT ${table.selectList(table.properties, 't')}, EXISTS (SELECT FROM new_release) AS "isNew"
        FROM release t`,
      bindings,
      isChange: ([row]) => row?.isNew === true,
    });
    const [row] = await change.catch((error: unknown) => {
      if (sqlState(error) !== FOREIGN_KEY_VIOLATION) throw error;
      throw notFound('service not found', 'input.serviceId');
    });
    const { isNew: _, ...columns } = row ?? {};
    const release = table.hydrate(columns);
    if (input.committedAt && release.committedAt?.getTime() !== input.committedAt.getTime()) {
      throw conflict('the release was recorded with another commit time', 'input.committedAt');
    }
    return release;
  }
}

/**
 * CTEs that define `release`, the row of this release. It is inserted if it is missing and
 * `condition` is true. They read before they insert: ON CONFLICT DO UPDATE alone would write a row
 * version per call.
 */
export function releaseCtes(
  serviceId: string,
  { version, commit, committedAt, imageDigest }: ReleaseDetails,
  { bind }: Bindings,
  condition = 'true',
): string[] {
  const [service, name] = [`CAST(${bind(serviceId)} AS uuid)`, `CAST(${bind(version)} AS text)`];
  const [sha, digest] = [
    `CAST(${bind(commit ?? null)} AS text)`,
    `CAST(${bind(imageDigest ?? null)} AS text)`,
  ];
  return [
    `known_release AS (
      SELECT * FROM releases WHERE service_id = ${service} AND version = ${name}
        AND coalesce(commit, '') = coalesce(${sha}, '') AND coalesce(image_digest, '') = coalesce(${digest}, '')
    )`,
    `new_release AS (
      INSERT INTO releases (service_id, version, commit, committed_at, image_digest)
      SELECT ${service}, ${name}, ${sha}, CAST(${bind(committedAt ?? null)} AS timestamptz), ${digest}
      WHERE ${condition} AND NOT EXISTS (SELECT FROM known_release)
      ON CONFLICT ${IDENTITY} DO UPDATE SET version = excluded.version -- inserted by a concurrent statement
      RETURNING *
    )`,
    'release AS (SELECT * FROM known_release UNION ALL SELECT * FROM new_release)',
  ];
}
