/**
 * Compares the schema with the entities: the database may be less strict than the entities, never stricter.
 */
import type { DataSource, TableColumn } from 'typeorm';
import type { ColumnMetadata } from 'typeorm/metadata/ColumnMetadata.js';
import type { Catalog } from './catalog.js';
import type { Difference } from './difference.js';

/**
 * `replayed` is the schema that the migrations create, if it is known. Required columns in it are accepted:
 * code without an entity may write them.
 */
export function compareEntities(dataSource: DataSource, live: Catalog, replayed?: Catalog): Difference[] {
  return dataSource.entityMetadatas.flatMap(({ tableName, columns }) => {
    const nameOf = (column: ColumnMetadata) => `column ${tableName}.${column.databaseName}`;
    const own = columns.filter(({ isVirtual, isVirtualProperty }) => !isVirtual && !isVirtualProperty);
    const written = new Set(own.map(nameOf));
    const unwritten = [...live].filter(
      ([name, definition]) =>
        replayed &&
        name.startsWith(`column ${tableName}.`) &&
        isRequired(definition) &&
        !written.has(name) &&
        !replayed.has(name),
    );
    return [
      ...own.flatMap((column) => compareColumn(dataSource, column, nameOf(column), live.get(nameOf(column)))),
      ...unwritten.map(
        ([name, found]): Difference => ({
          name,
          problem: 'different',
          expected: 'this version does not write it, so it must be nullable or have a default',
          found,
        }),
      ),
    ];
  });
}

function compareColumn(
  dataSource: DataSource,
  column: ColumnMetadata,
  name: string,
  found: string | undefined,
): Difference[] {
  const type = typeOf(dataSource, column);
  if (found === undefined) return [{ name, problem: 'missing', expected: `${type} (an entity has it)` }];
  const isSame = found === type || found.startsWith(`${type} `);
  if (!isSame) return [{ name, problem: 'different', expected: `${type} (as the entity)`, found }];
  if (column.isNullable && isRequired(found)) {
    return [{ name, problem: 'different', expected: `${type}, nullable (as the entity)`, found }];
  }
  return [];
}

/** True if an INSERT without the column fails. */
function isRequired(definition: string): boolean {
  return definition.includes(' NOT NULL') && !/ (DEFAULT|GENERATED|IDENTITY)/.test(definition);
}

/** The type in the format of PostgreSQL's format_type. */
function typeOf({ driver }: DataSource, column: ColumnMetadata): string {
  const type = driver.normalizeType(column);
  const { isArray, precision, scale } = column;
  const length = driver.getColumnLength(column);
  const full = driver.createFullType({ type, length, isArray, precision, scale } as unknown as TableColumn);
  return full.toLowerCase().replace(/ array$/, '[]');
}
