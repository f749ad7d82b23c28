/** A difference between the schema of a database and the expected one. */
export interface Difference {
  /** For instance `column services.name`. */
  name: string;
  problem: 'missing' | 'unexpected' | 'different';
  expected?: string;
  found?: string;
}
