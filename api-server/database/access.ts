/** What a statement uses. Its caller declares it; nothing is derived from the text of the SQL. */
export interface Access {
  /**
   * `read`: the statement may run on a replica, and is repeated after a connection failure.
   * `write`: it runs on the primary, once, and invalidates cached responses that read its tables.
   */
  mode: 'read' | 'write';
  /** Every table that the statement reads or writes, the main one first. */
  tables: readonly string[];
}
