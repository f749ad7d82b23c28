/** Table and columns of an entity, from its decorators. Available without a database connection. */
import { getMetadataArgsStorage } from 'typeorm';

interface TableColumn {
  property: string;
  /** Quoted identifier. */
  name: string;
  sqlType: string;
}

/** A property of an entity with a column. */
export type PropertyOf<T> = keyof T & string;

export class EntityTable<T extends object> {
  readonly name: string;
  /** All columns except those with `select: false`. */
  readonly properties: readonly PropertyOf<T>[];
  readonly #columns: ReadonlyMap<string, TableColumn>;

  constructor(readonly entity: new () => T) {
    const storage = getMetadataArgsStorage();
    const table = storage.filterTables(entity)[0];
    if (!table?.name) throw new Error(`${entity.name} is not an entity with a table`);
    this.name = table.name;
    const args = storage.filterColumns(ancestors(entity));
    this.#columns = new Map(
      args.map(({ propertyName: property, options, target }) => {
        const { type } = options;
        const guess = Reflect.getMetadata('design:type', (target as new () => object).prototype, property);
        const sqlType = typeof type === 'string' ? type : guess === Date ? 'timestamptz' : 'text';
        return [property, { property, name: `"${options.name ?? property}"`, sqlType }];
      }),
    );
    const hidden = new Set(
      args.filter(({ options }) => options.select === false).map(({ propertyName }) => propertyName),
    );
    this.properties = [...this.#columns.keys()].filter((name) => !hidden.has(name)) as PropertyOf<T>[];
  }

  has(property: string): property is PropertyOf<T> {
    return (this.properties as readonly string[]).includes(property);
  }

  /** Quoted identifier. */
  columnName(property: PropertyOf<T>): string {
    return this.#get(property).name;
  }

  column(property: PropertyOf<T>, alias: string): string {
    return `${alias}.${this.columnName(property)}`;
  }

  /** The type for a CAST. */
  sqlType(property: PropertyOf<T>): string {
    return this.#get(property).sqlType;
  }

  /** The select list. The column aliases are the property names. */
  selectList(properties: readonly PropertyOf<T>[], alias: string): string {
    return properties.map((property) => `${this.column(property, alias)} AS "${property}"`).join(', ');
  }

  /** Creates an entity from a row. Columns that were not read are missing. */
  hydrate(row: object): T {
    // Not `new`: the constructor would first define all properties as undefined, which doubles the
    // time.
    return Object.assign(Object.create(this.entity.prototype) as T, row);
  }

  #get(property: PropertyOf<T>): TableColumn {
    const column = this.#columns.get(property);
    if (!column) throw new Error(`${this.entity.name}.${property} is not a column`);
    return column;
  }
}

function ancestors(entity: abstract new () => object): (new () => object)[] {
  const parent = Object.getPrototypeOf(entity);
  const own = entity as new () => object;
  return parent?.prototype ? [...ancestors(parent), own] : [own];
}
