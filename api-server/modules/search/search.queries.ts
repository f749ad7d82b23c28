/** SQL of the search. Results are sorted by rank, type and name. */

import type { Access } from '../../database/access.js';
import { Bindings } from '../../database/conditions.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { type Keyset, keysetSql } from '../../graphql/relay/keyset.js';
import type { PageRequest } from '../../graphql/relay/paging.js';
import type { SearchType } from './search.types.js';

export interface Hit {
  /** 0: the name equals the query; 1: the name starts with it; 2: another match. */
  rank: number;
  kind: SearchType;
  name: string;
  uuid: string;
}

export const hitsByRank: Keyset<Hit> = {
  parts: [
    { property: 'rank', type: 'integer' },
    { property: 'kind', type: 'text' },
    { property: 'name', type: 'text' },
    { property: 'uuid', type: 'uuid' },
  ],
  direction: 'ASC',
};

/** Placeholders. Each one is bound on first use: PostgreSQL rejects parameters that the statement does not use. */
interface Terms {
  exact: string;
  prefix: string;
  substring: string;
  words: string;
}

const TABLES: Record<SearchType, string> = {
  SERVICE: 'services',
  ENVIRONMENT: 'environments',
  RELEASE: 'releases',
  INCIDENT: 'incidents',
};

const BRANCHES: Record<SearchType, (terms: Terms) => string> = {
  SERVICE: (terms) => searchNames('services', ['name', 'owner', 'description'], terms),
  ENVIRONMENT: (terms) => searchNames('environments', ['name', 'description'], terms),
  RELEASE: ({ exact, prefix }) =>
    `SELECT CASE WHEN lower(version) = ${exact} OR commit = ${exact} THEN 0 ELSE 1 END AS rank,
       lower(version) AS name, id FROM releases
     WHERE lower(version) LIKE ${prefix} OR commit LIKE ${prefix}`,
  INCIDENT: ({ words }) =>
    `SELECT 2 AS rank, lower(title) AS name, id FROM incidents
     WHERE to_tsvector('simple', title || ' ' || coalesce(description, '')) @@ websearch_to_tsquery('simple', ${words})`,
};

export async function searchPage(
  dataSource: DataSource,
  query: string,
  types: readonly SearchType[],
  request: PageRequest,
): Promise<Hit[]> {
  const bindings = new Bindings();
  const hits = hitsSql(query, types, bindings);
  const column = (property: string) => `hit.${property}`;
  const { where, orderBy } = keysetSql(hitsByRank, request, column, bindings.bind);
  const condition = where.length > 0 ? `WHERE ${where.join(' AND ')}` : '';
  return dataSource.runSql(
    readOf(types),
    `SELECT * FROM (${hits}) AS hit ${condition} ORDER BY ${orderBy} LIMIT ${bindings.bind(request.limit + 1)}`,
    bindings.values,
  );
}

export async function countHits(
  dataSource: DataSource,
  query: string,
  types: readonly SearchType[],
): Promise<number> {
  const bindings = new Bindings();
  const sql = `SELECT count(*)::int AS count FROM (${hitsSql(query, types, bindings)}) AS hit`;
  const [row]: { count: number }[] = await dataSource.runSql(readOf(types), sql, bindings.values);
  return row?.count ?? 0;
}

function readOf(types: readonly SearchType[]): Access {
  return { mode: 'read', tables: types.map((type) => TABLES[type]) };
}

function hitsSql(query: string, types: readonly SearchType[], { bind }: Bindings): string {
  const text = query.trim().toLowerCase();
  const escaped = text.replace(/[\\%_]/g, '\\$&');
  const bound = (value: string) => `CAST(${bind(value)} AS text)`;
  const terms: Terms = {
    get exact() {
      return bound(text);
    },
    get prefix() {
      return bound(`${escaped}%`);
    },
    get substring() {
      return bound(`%${escaped}%`);
    },
    get words() {
      return bound(query);
    },
  };
  const branches = types.map(
    (type) =>
      `SELECT rank, '${type}' AS kind, left(name, 200) AS name, id AS uuid FROM (${BRANCHES[type](terms)}) AS ${type}`,
  );
  return branches.join(' UNION ALL ');
}

function searchNames(table: string, columns: string[], { exact, prefix, substring }: Terms): string {
  const anyColumn = columns.map((column) => `${column} ILIKE ${substring}`).join(' OR ');
  return `SELECT CASE WHEN name = ${exact} THEN 0 WHEN name LIKE ${prefix} THEN 1 ELSE 2 END AS rank, name, id
    FROM ${table} WHERE archived_at IS NULL AND (${anyColumn})`;
}
