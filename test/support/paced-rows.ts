/** A backfill of `services` that is certain to run still when a test acts, however slow or fast the machine is. */

/** SQL after which each row that is updated takes so long. */
export function paceRows(seconds: number): string {
  return `
  CREATE TABLE pace AS SELECT ${seconds}::float8 AS seconds;
  CREATE FUNCTION pace() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    PERFORM pg_sleep((SELECT seconds FROM pace)); RETURN NEW;
  END$$;
  CREATE TRIGGER pace BEFORE UPDATE ON services FOR EACH ROW EXECUTE FUNCTION pace();`;
}

/** SQL after which rows take no longer than they need, also those of a batch that runs. */
export const FULL_PACE = 'UPDATE pace SET seconds = 0';
