import type { DataSource } from 'typeorm';
import { makeChange } from '../../platform/database/change.js';
import { Bindings } from '../../platform/database/conditions.js';
import { FOREIGN_KEY_VIOLATION, sqlState } from '../../platform/database/connection-errors.js';
import { conflict, notFound } from '../../platform/graphql/errors.js';
import { uuidOf } from '../../platform/graphql/relay/global-id.js';
import { type Release, releaseType } from './release.entity.js';
import type { CreateReleaseInput, ReleaseDetails } from './release.inputs.js';

const { table } = releaseType;
const IDENTITY = `(service_id, version, coalesce(commit, ''), coalesce(image_digest, ''))`;

/** Releases in the database. They are never changed. */
export class ReleaseService {
  constructor(private readonly dataSource: DataSource) {}

  /** Said again it is the same release; with another time of the commit it is a CONFLICT. */
  async create(input: CreateReleaseInput): Promise<Release> {
    const serviceId = uuidOf('Service', input.serviceId, 'input.serviceId');
    const bindings = new Bindings();
    const change = makeChange<{ isNew: boolean }>(this.dataSource, {
      type: table.entity.name,
      parts: releaseCtes(serviceId, input, bindings),
      changed: 'new_release',
      select: `SELECT ${table.selectList(table.properties, 't')}, EXISTS (SELECT FROM new_release) AS "isNew"
        FROM release t`,
      bindings,
      isChange: ([row]) => row?.isNew === true,
    });
    const [row] = await change.catch((error: unknown) => {
      if (sqlState(error) !== FOREIGN_KEY_VIOLATION) throw error;
      throw notFound('there is no such service', 'input.serviceId');
    });
    const { isNew: _, ...columns } = row ?? {};
    const release = table.hydrate(columns);
    if (input.committedAt && release.committedAt?.getTime() !== input.committedAt.getTime()) {
      throw conflict('the release is known with another time of its commit', 'input.committedAt');
    }
    return release;
  }
}

/**
 * Parts of a WITH after which `release` is the one row that is meant, made if it
 * was not there and `condition` holds. Reads first: ON CONFLICT alone would write a
 * row version each time.
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
      ON CONFLICT ${IDENTITY} DO UPDATE SET version = excluded.version -- one that was made a moment ago
      RETURNING *
    )`,
    'release AS (SELECT * FROM known_release UNION ALL SELECT * FROM new_release)',
  ];
}
