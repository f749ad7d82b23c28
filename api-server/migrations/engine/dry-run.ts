/** Runs `up` with a query runner that only records: the statements of a migration, without a database. */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { NO_DATABASE, withDriverGate } from './driver-gate.js';

export interface DryRun {
  statements: string[];
  /** Parameters per statement, usually none. */
  parameters: unknown[][];
  /** The migration reads query results, so `statements` may be incomplete. */
  dynamic: boolean;
}

export async function dryRun(migration: MigrationInterface): Promise<DryRun> {
  const statements: string[] = [];
  const parameters: unknown[][] = [];
  let dynamic = false;
  const recordedRows = () =>
    new Proxy<unknown[]>([], {
      get(rows, key, receiver) {
        if (key !== 'then') dynamic = true; // `await` reads `then` only; other reads use the result
        return Reflect.get(rows, key, receiver);
      },
    });
  const runner = {
    query: async (sql: string, values: unknown[] = []) => {
      statements.push(sql);
      parameters.push(values);
      return recordedRows();
    },
  };
  try {
    await withDriverGate(NO_DATABASE, undefined, () => migration.up(runner as unknown as QueryRunner));
  } catch {
    dynamic = true; // it uses other methods of the query runner, or requires rows
  }
  return { statements, parameters, dynamic };
}
