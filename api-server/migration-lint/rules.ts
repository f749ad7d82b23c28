/** What a migration may not do in its phase: why, and the way that is safe. */

export const RULES = {
  syntax: {
    why: "PostgreSQL's own grammar does not accept the statement",
    instead: 'correct the statement',
  },
  'drop-column': {
    why: 'the version that still serves reads the column',
    instead: 'drop it in a migration of phase contract',
  },
  drop: {
    why: 'the version that still serves may use it',
    instead: 'drop it in a migration of phase contract',
  },
  'delete-rows': {
    why: 'what is deleted is lost to the version that still serves, and to an undo',
    instead: 'delete in a migration of phase contract',
  },
  rename: {
    why: 'the version that still serves uses the old name',
    instead: 'add the new name, backfill it, and drop the old one in phase contract',
  },
  'type-change': {
    why: 'it rewrites the table under an exclusive lock, and changes what the serving version reads',
    instead: 'add a column of the new type, backfill it, and drop the old one in phase contract',
  },
  'set-not-null': {
    why: 'without a valid constraint that proves it, PostgreSQL reads the whole table under an exclusive lock',
    instead:
      'ADD CONSTRAINT c NOT NULL x NOT VALID (PostgreSQL 18; before, CHECK (x IS NOT NULL) NOT VALID) once no version writes NULL, and VALIDATE CONSTRAINT c in a later migration; then SET NOT NULL and PRIMARY KEY USING INDEX read nothing',
  },
  'add-not-null-column': {
    why: 'rows that the serving version writes lack the column and are refused',
    instead: 'add it nullable, or with a constant DEFAULT that is not NULL',
  },
  'drop-default': {
    why: 'rows that the serving version writes may rely on the default',
    instead: 'drop it in a migration of phase contract',
  },
  'volatile-default': {
    why: 'a default that differs from row to row rewrites the whole table under an exclusive lock',
    instead: 'add the column without it, SET DEFAULT in a statement of its own, backfill the old rows',
  },
  'domain-column': {
    why: 'PostgreSQL rewrites the table for a column of a domain with a CHECK or NOT NULL; no migration creates this type as another kind, so it may be such a domain',
    instead:
      "add the column with the domain's base type and a CHECK constraint NOT VALID; if the type is no domain, allow it with that as the reason",
  },
  'index-not-concurrent': {
    why: 'the table takes no writes until the index is built',
    instead: 'CREATE INDEX CONCURRENTLY in a migration with `static readonly transaction = false`',
  },
  'drop-index-not-concurrent': {
    why: 'it waits for, and then stops, all use of the table',
    instead: 'DROP INDEX CONCURRENTLY in a migration with `static readonly transaction = false`',
  },
  'drop-unique-index': {
    why: 'ON CONFLICT of the version that still serves fails without its unique index, and duplicates are accepted; of an index that no migration creates it is unknown whether it is unique',
    instead: 'drop it in a migration of phase contract',
  },
  'index-without-name': {
    why: 'an index that a killed run left unfinished could not be found again',
    instead: 'name the index',
  },
  'constraint-not-valid': {
    why: 'the whole table is read under a lock that stops writes',
    instead:
      'ADD CONSTRAINT ... NOT VALID, and VALIDATE CONSTRAINT in a later migration; for UNIQUE and PRIMARY KEY build the index CONCURRENTLY and add the constraint USING INDEX',
  },
  'validate-same-migration': {
    why: 'the lock of ADD CONSTRAINT is held while the whole table is read',
    instead: 'VALIDATE CONSTRAINT in a migration of its own',
  },
  'slow-under-lock': {
    why: 'it takes as long as the table is large, and until then the transaction holds a lock that blocks the traffic',
    instead:
      'move it to a migration of its own, or before the statement that takes the lock; locks are released at the end of the migration only',
  },
  'row-locks': {
    why: 'the rows that it locks accept no write until the migration ends',
    instead: 'leave out FOR UPDATE and FOR SHARE, or bound the rows with LIMIT',
  },
  rewrite: {
    why: 'it rewrites the whole table, or rebuilds what is read, under an exclusive lock',
    instead:
      'use the CONCURRENTLY form if there is one (REINDEX, REFRESH), a new column and a backfill for a generated or serial column, or a maintenance window',
  },
  'table-lock': {
    why: 'it stops the traffic for as long as the migration lasts',
    instead: 'let each statement take the lock it needs',
  },
  'lock-timeout': {
    why: 'the runner bounds how long a statement waits for a lock; without the bound, all traffic queues behind it',
    instead: 'leave lock_timeout and statement_timeout to the runner',
  },
  'update-all-rows': {
    why: 'one big UPDATE locks its rows and bloats the table until it ends',
    instead: 'declare a backfill, which goes in small batches',
  },
  'needs-own-transaction': {
    why: 'PostgreSQL runs it outside of a transaction only',
    instead: 'declare `static readonly transaction = false`',
  },
  'outside-transaction': {
    why: 'a run that is killed here leaves half of the migration behind',
    instead: 'keep only CONCURRENTLY statements and VALIDATE in a migration with transaction = false',
  },
  'transaction-control': {
    why: "the transaction is the runner's: it records the migration in it",
    instead: 'leave out BEGIN, COMMIT, ROLLBACK and SAVEPOINT',
  },
  opaque: {
    why: 'it runs code that is not in this migration (a user-defined function, operator or language) or SQL that is built at run time, so it can not be judged before',
    instead: 'write the statements themselves, or allow it with the reason why it is safe',
  },
  'session-state': {
    why: 'the setting, role or temporary object decides what later statements of the session refer to, also those of the next migration',
    instead:
      'qualify names with their schema, and have roles and settings configured for the connection; memory and planner settings may be SET',
  },
  'replica-identity': {
    why: 'UPDATE and DELETE fail on a published table that has no replica identity',
    instead: 'REPLICA IDENTITY DEFAULT, FULL, or USING INDEX of a unique index without nullable columns',
  },
  'run-lock': {
    why: "the runner's lock is an advisory lock of the same session: without it a second runner begins beside this one",
    instead: 'leave advisory locks and DISCARD out: only one runner is at work at a time',
  },
  replace: {
    why: 'the version that still serves uses it as it was',
    instead: 'create it under a new name, and drop the old one in phase contract',
  },
  'attach-partition': {
    why: 'it locks the parent, and with a default partition reads all of that while nobody can use it',
    instead:
      'create the table on its own with a CHECK of its bounds, then ATTACH PARTITION with an allow comment: why the default partition is empty, or that there is none',
  },
  'name-reused': {
    why: 'an older contract drops what has this name: where that is still to run this comes first, and then goes with its data',
    instead: 'take another name',
  },
  'unknown-statement': {
    why: 'no rule says that this kind of statement is safe while an older version serves',
    instead: 'allow it with the reason why it is safe',
  },
  'allow-without-reason': {
    why: 'an exception that nobody explained can not be judged by the next reader',
    instead: 'write `-- lint:allow <rule>: <reason>`',
  },
} as const satisfies Record<string, { why: string; instead: string }>;

export type RuleName = keyof typeof RULES;

/** Rules that no comment can lift: the statement could not run, or the runner would lose its footing. */
export const ABSOLUTE: ReadonlySet<RuleName> = new Set<RuleName>([
  'syntax',
  'needs-own-transaction',
  'transaction-control',
  'run-lock',
  'session-state',
  'name-reused',
  'allow-without-reason',
]);

/** Rules whose reason is a long lock already: `slow-under-lock` says nothing more of the same statement. */
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
