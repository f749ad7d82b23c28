/** Where the database keeps the list of the migrations it has. */
export const MIGRATIONS_TABLE = 'schema_migrations';
