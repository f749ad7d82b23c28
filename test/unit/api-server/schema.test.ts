import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { BreakingChangeType, buildSchema, findBreakingChanges } from 'graphql';

const released = () => buildSchema(readFileSync('api-server/schema.released.graphql', 'utf8'));
const current = () => readFileSync('api-server/schema.graphql', 'utf8');
const breaks = (text: string) => findBreakingChanges(released(), buildSchema(text));

describe('api-server schema', () => {
  it('breaks no client of the release before', () => {
    assert.deepEqual(
      breaks(current()).map(({ description }) => description),
      [],
      'deprecate it instead; a new major release begins with a copy of schema.graphql in schema.released.graphql',
    );
  });

  it('would be noticed to', () => {
    const changed = current().replace(/^ {2}version: String!$/m, '  version: Int!');
    assert.ok(breaks(changed).some(({ type }) => type === BreakingChangeType.FIELD_CHANGED_KIND));
  });
});
