/** Table with the migration history. */
export const MIGRATIONS_TABLE = 'schema_migrations';
