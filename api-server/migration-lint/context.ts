/** State of the lint of a migration. */
import type { MigrationPhase } from '../../contract/image.js';
import { Facts } from './facts.js';
import type { HeldLock } from './locks.js';

/** Knowledge from other migrations of the image. */
export interface LintHistory {
  /** Names that older contracts, which may still have to run, drop. */
  doomed: ReadonlySet<string>;
  /** Facts about the schema from older migrations. */
  facts: Facts;
}

/** The sets and `facts` grow with each statement. */
export interface LintContext extends LintHistory {
  phase: MigrationPhase;
  transaction: boolean;
  /** Tables the migration made itself: nobody uses them yet, so no lock hurts. */
  created: Set<string>;
  /** The created tables that were filled from a query: scans of them take time. */
  filled: Set<string>;
  /** All that it made itself, as `createdNames` has it. */
  made: Set<string>;
  /** Constraints it added NOT VALID. */
  unvalidated: Set<string>;
  /** The strongest lock on a table in use that the transaction holds, if it blocks the traffic. */
  held?: HeldLock;
}

export function lintContext(
  phase: MigrationPhase,
  transaction: boolean,
  { doomed = new Set(), facts = new Facts() }: Partial<LintHistory> = {},
): LintContext {
  return {
    phase,
    transaction,
    doomed,
    facts: facts.copy(), // a retry starts from the same facts
    created: new Set(),
    filled: new Set(),
    made: new Set(),
    unvalidated: new Set(),
  };
}
