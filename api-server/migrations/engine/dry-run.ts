/** Runs `up` on a runner that only writes down: what a migration would send, without a database. */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { behindGate, NO_DATABASE } from './driver-gate.js';

export interface DryRun {
  statements: string[];
  /** Of each statement its own, as a rule none. */
  parameters: unknown[][];
  /** It asks the database as it goes, so these may not be all. */
  dynamic: boolean;
}

export async function dryRun(migration: MigrationInterface): Promise<DryRun> {
  const statements: string[] = [];
  const parameters: unknown[][] = [];
  let dynamic = false;
  const answer = () =>
    new Proxy<unknown[]>([], {
      get(rows, key, receiver) {
        if (key !== 'then') dynamic = true; // whoever looks at an answer acts on it; `await` only looks for `then`
        return Reflect.get(rows, key, receiver);
      },
    });
  const runner = {
    query: async (sql: string, values: unknown[] = []) => {
      statements.push(sql);
      parameters.push(values);
      return answer();
    },
  };
  try {
    await behindGate(NO_DATABASE, undefined, () => migration.up(runner as unknown as QueryRunner));
  } catch {
    dynamic = true; // it wanted more of the runner, or rows
  }
  return { statements, parameters, dynamic };
}
