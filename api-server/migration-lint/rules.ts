/** Rules: why a statement is refused (`why`), and the safe alternative (`instead`). */

export const RULES = {
  syntax: {
    why: 'PostgreSQL can not parse the statement',
    instead: 'correct the statement',
  },
  'drop-column': {
    why: 'the old version, which still serves traffic, reads the column',
    instead: 'drop it in a migration of phase contract',
  },
  drop: {
    why: 'the old version, which still serves traffic, may use it',
    instead: 'drop it in a migration of phase contract',
  },
  'delete-rows': {
    why: 'the old version, which still serves traffic or returns with an undo, may need the rows',
    instead: 'delete in a migration of phase contract',
  },
  rename: {
    why: 'the old version, which still serves traffic, uses the old name',
    instead: 'add the new name, backfill it, and drop the old one in phase contract',
  },
  'type-change': {
    why: 'it rewrites the table under an ACCESS EXCLUSIVE lock, and changes the type that the old version reads',
    instead: 'add a column of the new type, backfill it, and drop the old one in phase contract',
  },
  'set-not-null': {
    why: 'without a validated constraint that excludes NULL, PostgreSQL scans the whole table under an ACCESS EXCLUSIVE lock',
    instead:
      'ADD CONSTRAINT c NOT NULL x NOT VALID (PostgreSQL 18; before, CHECK (x IS NOT NULL) NOT VALID) once no version writes NULL, and VALIDATE CONSTRAINT c in a later migration; then SET NOT NULL and PRIMARY KEY USING INDEX do not scan the table',
  },
  'add-not-null-column': {
    why: 'INSERTs of the old version do not set the column, and fail',
    instead: 'add it nullable, or with a constant DEFAULT that is not NULL',
  },
  'drop-default': {
    why: 'INSERTs of the old version may depend on the default',
    instead: 'drop it in a migration of phase contract',
  },
  'volatile-default': {
    why: 'a volatile default rewrites the whole table under an ACCESS EXCLUSIVE lock',
    instead:
      'add the column without a default, SET DEFAULT in a separate statement, backfill the existing rows',
  },
  'domain-column': {
    why: 'PostgreSQL rewrites the table for a column of a domain with a CHECK or NOT NULL; no migration creates this type, so it may be such a domain',
    instead:
      "add the column with the domain's base type and a CHECK constraint NOT VALID; if the type is not a domain, allow it with that reason",
  },
  'index-not-concurrent': {
    why: 'the SHARE lock blocks writes until the index is built',
    instead: 'CREATE INDEX CONCURRENTLY in a migration with `static readonly transaction = false`',
  },
  'drop-index-not-concurrent': {
    why: 'its ACCESS EXCLUSIVE lock on the table waits for all transactions that use the table, and blocks later ones',
    instead: 'DROP INDEX CONCURRENTLY in a migration with `static readonly transaction = false`',
  },
  'drop-unique-index': {
    why: 'without the unique index, ON CONFLICT fails in the old version, and duplicates are accepted; an index that no migration creates may be unique',
    instead: 'drop it in a migration of phase contract',
  },
  'index-without-name': {
    why: 'a retry could not identify the invalid index of a killed run',
    instead: 'name the index',
  },
  'constraint-not-valid': {
    why: 'it scans the whole table under a lock that blocks writes',
    instead:
      'ADD CONSTRAINT ... NOT VALID, and VALIDATE CONSTRAINT in a later migration; for UNIQUE and PRIMARY KEY build the index CONCURRENTLY and add the constraint USING INDEX',
  },
  'validate-same-migration': {
    why: 'the lock of ADD CONSTRAINT is held while VALIDATE scans the whole table',
    instead: 'VALIDATE CONSTRAINT in a separate migration',
  },
  'slow-under-lock': {
    why: 'its duration grows with the size of the table, and meanwhile the transaction holds a lock that blocks the traffic',
    instead:
      'move it to a separate migration, or before the statement that acquires the lock; locks are released at the end of the migration',
  },
  'row-locks': {
    why: 'the row locks block writes to these rows until the migration ends',
    instead: 'remove FOR UPDATE and FOR SHARE, or limit the rows with LIMIT',
  },
  rewrite: {
    why: 'it rewrites the whole table or rebuilds an index under a lock that blocks the traffic',
    instead:
      'use the CONCURRENTLY form if there is one (REINDEX, REFRESH), a new column and a backfill for a generated or serial column, or a maintenance window',
  },
  'table-lock': {
    why: 'the lock blocks the traffic until the migration ends',
    instead: 'remove it; each statement acquires the lock that it needs',
  },
  'lock-timeout': {
    why: 'the runner limits the time that a statement waits for a lock; without the limit, all traffic on the table waits as well',
    instead: 'remove it; the runner sets lock_timeout and statement_timeout',
  },
  'update-all-rows': {
    why: 'a single large UPDATE locks all its rows until it commits, and bloats the table',
    instead: 'declare a backfill, which runs in small batches',
  },
  'needs-own-transaction': {
    why: 'it can not run inside a transaction block',
    instead: 'declare `static readonly transaction = false`',
  },
  'outside-transaction': {
    why: 'a killed run would leave the migration partially applied',
    instead: 'keep only CONCURRENTLY statements and VALIDATE in a migration with transaction = false',
  },
  'transaction-control': {
    why: 'the runner controls the transaction, and records the migration in it',
    instead: 'remove BEGIN, COMMIT, ROLLBACK and SAVEPOINT',
  },
  opaque: {
    why: 'it runs code that is not in this migration (a user-defined function, operator or language) or dynamic SQL, so it can not be checked',
    instead: 'write the statements in the migration, or allow it with the reason why it is safe',
  },
  'session-state': {
    why: 'the setting, role or temporary object changes how later statements of the session resolve names, also in the next migration',
    instead:
      'qualify names with their schema, and configure roles and settings for the connection; memory and planner settings may be SET',
  },
  'replica-identity': {
    why: 'UPDATE and DELETE fail on a published table that has no replica identity',
    instead: 'REPLICA IDENTITY DEFAULT, FULL, or USING INDEX of a unique index without nullable columns',
  },
  'run-lock': {
    why: 'the runner holds an advisory lock in the same session; without it a second runner could start concurrently',
    instead: 'remove advisory locks and DISCARD; only one runner is active at a time',
  },
  replace: {
    why: 'the old version, which still serves traffic, uses the existing definition',
    instead: 'create it under a new name, and drop the old one in phase contract',
  },
  'attach-partition': {
    why: 'it locks the parent, and scans a default partition under an ACCESS EXCLUSIVE lock',
    instead:
      'create a separate table with a CHECK of its bounds, then ATTACH PARTITION with an allow comment whose reason is why the default partition is empty, or that none exists',
  },
  'name-reused': {
    why: 'an older contract drops the object of this name: where that contract is pending, it would drop the new object with its data',
    instead: 'use another name',
  },
  'unknown-statement': {
    why: 'no rule classifies this kind of statement as safe while the old version serves traffic',
    instead: 'allow it with the reason why it is safe',
  },
  'allow-without-reason': {
    why: 'an exception requires a reason, so that a reviewer can assess it',
    instead: 'write `-- lint:allow <rule>: <reason>`',
  },
} as const satisfies Record<string, { why: string; instead: string }>;

export type RuleName = keyof typeof RULES;

/**
 * Rules that an allow comment can't suppress: the statement can't run, or it would interfere with the runner.
 */
export const ABSOLUTE: ReadonlySet<RuleName> = new Set<RuleName>([
  'syntax',
  'needs-own-transaction',
  'transaction-control',
  'run-lock',
  'session-state',
  'name-reused',
  'allow-without-reason',
]);

/** Rules about long locks. For a statement with such a finding, `slow-under-lock` is not reported as well. */
export const LOCK_RULES: ReadonlySet<RuleName> = new Set<RuleName>([
  'rewrite',
  'type-change',
  'set-not-null',
  'add-not-null-column',
  'constraint-not-valid',
  'validate-same-migration',
  'volatile-default',
  'domain-column',
  'index-not-concurrent',
  'attach-partition',
  'update-all-rows',
  'delete-rows',
  'row-locks',
  'table-lock',
  'needs-own-transaction',
]);
