/** Whether the code could read and write the schema: the database may be laxer than the entities, never stricter. */
import type { DataSource, TableColumn } from 'typeorm';
import type { ColumnMetadata } from 'typeorm/metadata/ColumnMetadata.js';
import type { Catalog } from './catalog.js';
import type { Difference } from './difference.js';

/** `made` is what the migrations made, as far as that is known: what they demand, some code of ours may write without an entity. */
export function compareEntities(dataSource: DataSource, live: Catalog, made?: Catalog): Difference[] {
  return dataSource.entityMetadatas.flatMap(({ tableName, columns }) => {
    const at = (column: ColumnMetadata) => `column ${tableName}.${column.databaseName}`;
    const own = columns.filter(({ isVirtual, isVirtualProperty }) => !isVirtual && !isVirtualProperty);
    const written = new Set(own.map(at));
    const unwritten = [...live].filter(
      ([name, says]) =>
        made &&
        name.startsWith(`column ${tableName}.`) &&
        isDemanded(says) &&
        !written.has(name) &&
        !made.has(name),
    );
    return [
      ...own.flatMap((column) => compareColumn(dataSource, column, at(column), live.get(at(column)))),
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
  if (column.isNullable && isDemanded(found)) {
    return [{ name, problem: 'different', expected: `${type}, nullable (as the entity)`, found }];
  }
  return [];
}

function isDemanded(says: string): boolean {
  return says.includes(' NOT NULL') && !/ (DEFAULT|GENERATED|IDENTITY)/.test(says);
}

/** As PostgreSQL's format_type writes it. */
function typeOf({ driver }: DataSource, column: ColumnMetadata): string {
  const type = driver.normalizeType(column);
  const { isArray, precision, scale } = column;
  const length = driver.getColumnLength(column);
  const full = driver.createFullType({ type, length, isArray, precision, scale } as unknown as TableColumn);
  return full.toLowerCase().replace(/ array$/, '[]');
}
