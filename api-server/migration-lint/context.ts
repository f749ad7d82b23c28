/** State of the lint of a migration. */
import type { MigrationPhase } from '../../contract/image.js';
import { Facts } from './facts.js';
import type { HeldLock } from './locks.js';

/** Facts from other migrations of the image. */
export interface LintHistory {
  /** Names that older contract migrations drop. These may be pending. */
  droppedByContracts: ReadonlySet<string>;
  /** Facts about the schema from older migrations. */
  facts: Facts;
}

/** The sets and `facts` grow with each statement. */
export interface LintContext extends LintHistory {
  phase: MigrationPhase;
  transaction: boolean;
  /** Tables that the migration created. No other session uses them yet, so their locks block no traffic. */
  created: Set<string>;
  /** Created tables that were filled from a query, so that a scan may be slow. */
  filled: Set<string>;
  /** Names of all objects that the migration created, in the format of `createdNames`. */
  made: Set<string>;
  /** Constraints that the migration added with NOT VALID. */
  unvalidated: Set<string>;
  /** The strongest lock on a table in use that the transaction holds, if it blocks the traffic. */
  held?: HeldLock;
}

export function lintContext(
  phase: MigrationPhase,
  transaction: boolean,
  { droppedByContracts = new Set(), facts = new Facts() }: Partial<LintHistory> = {},
): LintContext {
  return {
    phase,
    transaction,
    droppedByContracts,
    facts: facts.copy(), // a retry starts from the same facts
    created: new Set(),
    filled: new Set(),
    made: new Set(),
    unvalidated: new Set(),
  };
}
