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
    why: 'it reads the whole table under an exclusive lock, and refuses rows that the serving version writes',
    instead:
      'ADD CONSTRAINT ... CHECK (x IS NOT NULL) NOT VALID in expand; VALIDATE and SET NOT NULL in contract',
  },
  'add-not-null-column': {
    why: 'rows that the serving version writes lack the column and are refused',
    instead: 'add it nullable, or with a constant DEFAULT',
  },
  'drop-default': {
    why: 'rows that the serving version writes may rely on the default',
    instead: 'drop it in a migration of phase contract',
  },
  'volatile-default': {
    why: 'a default that differs from row to row rewrites the whole table under an exclusive lock',
    instead: 'add the column without it, SET DEFAULT in a statement of its own, backfill the old rows',
  },
  'index-not-concurrent': {
    why: 'the table takes no writes until the index is built',
    instead: 'CREATE INDEX CONCURRENTLY in a migration with `static readonly transaction = false`',
  },
  'drop-index-not-concurrent': {
    why: 'it waits for, and then stops, all use of the table',
    instead: 'DROP INDEX CONCURRENTLY in a migration with `static readonly transaction = false`',
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
  rewrite: {
    why: 'it rewrites the whole table under an exclusive lock',
    instead: 'leave it to a maintenance window',
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
    why: 'what it runs is not written here, or put together when it runs, so nobody can judge it before',
    instead: 'write the statements themselves, or allow it with the reason why it is safe',
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
      'create the table on its own with a CHECK of its bounds, then ATTACH PARTITION with an allow comment that says why the default partition is empty, or that there is none',
  },
  'name-reused': {
    why: 'an older contract drops what has this name: where that is still to run this comes first, and then goes with its data',
    instead: 'take another name',
  },
  'unknown-statement': {
    why: 'no rule says that this kind of statement is safe while an older version serves',
    instead: 'move it to phase contract, or allow it with the reason why it is safe',
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
  'name-reused',
  'allow-without-reason',
]);
