/** Slows down a backfill of `services`, so that it still runs when a test acts, independent of the machine. */

/** SQL that delays each update of a row. */
export function paceRows(seconds: number): string {
  return `
  CREATE TABLE pace AS SELECT ${seconds}::float8 AS seconds;
  CREATE FUNCTION pace() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    PERFORM pg_sleep((SELECT seconds FROM pace)); RETURN NEW;
  END$$;
  CREATE TRIGGER pace BEFORE UPDATE ON services FOR EACH ROW EXECUTE FUNCTION pace();`;
}

/** SQL that removes the delay, including for the running batch. */
export const FULL_PACE = 'UPDATE pace SET seconds = 0';
