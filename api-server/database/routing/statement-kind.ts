/** Kind of a statement for the routing. */
export type StatementKind = 'read' | 'write' | 'begin' | 'end';

const BEGIN = /^\s*(?:BEGIN|START\s+TRANSACTION)\b/i;
const END = /^\s*(?:COMMIT|END|ABORT|ROLLBACK(?!\s+(?:WORK\s+|TRANSACTION\s+)?TO\b))\b/i;
const READ = /^\s*(?:SELECT|WITH|VALUES|SHOW)\b/i;
/**
 * Keywords with side effects in a statement that starts as a read. A match in a string only routes
 * it to the primary.
 */
const EFFECT =
  /\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b|\bFOR\s+(?:KEY\s+)?SHARE\b|\b(?:INSERT|DELETE|MERGE|INTO|nextval|setval|set_config)\b|\bUPDATE\s|\bpg_(?:try_)?advisory|\bpg_notify\b|\bpg_current_wal/i;

const MAX_KNOWN = 1_000;
const known = new Map<string, StatementKind>();

/** Statements that are not known to be reads are writes. */
export function statementKind(text: string): StatementKind {
  const before = known.get(text);
  if (before) return before;
  const kind = classify(text);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(text, kind);
  return kind;
}

function classify(text: string): StatementKind {
  if (READ.test(text)) return EFFECT.test(text) ? 'write' : 'read';
  if (BEGIN.test(text)) return 'begin';
  return END.test(text) ? 'end' : 'write';
}
