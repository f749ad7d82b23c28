import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { ESLint } from 'eslint';
import { BreakingChangeType, buildSchema, findBreakingChanges, validateSchema } from 'graphql';

const SCHEMA = 'api-server/schema.graphql';

const released = () => buildSchema(readFileSync('api-server/schema.released.graphql', 'utf8'));
const current = () => readFileSync(SCHEMA, 'utf8');
const breakingChanges = (text: string) => findBreakingChanges(released(), buildSchema(text));

describe('api-server schema', () => {
  it('is a valid GraphQL schema', () => {
    assert.deepEqual(validateSchema(buildSchema(current())), []);
  });

  it('has no breaking change since the last release', () => {
    assert.deepEqual(
      breakingChanges(current()).map(({ description }) => description),
      [],
      'deprecate the field instead; a new major release starts with a copy of schema.graphql in schema.released.graphql',
    );
  });

  it('a changed field type is a breaking change', () => {
    const changed = current().replace(/^ {2}version: String!$/m, '  version: Int!');
    assert.ok(breakingChanges(changed).some(({ type }) => type === BreakingChangeType.FIELD_CHANGED_KIND));
  });
});

describe('schema linter', () => {
  const linter = new ESLint();
  const violations = async (text: string): Promise<(string | null)[]> => {
    const [result] = await linter.lintText(text, { filePath: SCHEMA });
    return result!.messages.map(({ ruleId, message }) => ruleId ?? message);
  };
  const DESCRIPTION = String.raw`(?:"""[^"]*"""\n\s*)`;

  it('accepts the schema', async () => {
    assert.deepEqual(await violations(current()), []);
  });

  const undescribed: [string, RegExp][] = [
    ['a type', new RegExp(`${DESCRIPTION}(?=type Service )`)],
    ['a field', new RegExp(`${DESCRIPTION}(?=archivedAt: DateTimeISO)`)],
    ['an argument', new RegExp(`${DESCRIPTION}(?=input: OpenIncidentInput!)`)],
    ['an input field', new RegExp(`${DESCRIPTION}(?=idempotencyKey: String!)`)],
    ['an enum value', new RegExp(`${DESCRIPTION}(?=ROLLED_BACK\n)`)],
    ['a root field', new RegExp(`${DESCRIPTION}(?=me: Me!)`)],
  ];
  for (const [what, description] of undescribed) {
    it(`reports ${what} without a description`, async () => {
      const text = current().replace(description, '');
      assert.notEqual(text, current());
      assert.deepEqual(await violations(text), ['@graphql-eslint/require-description']);
    });
  }

  it('reports a connection without pageInfo', async () => {
    const text = current().replace(/"""[^"]*"""\n\s*pageInfo: PageInfo!/, '');
    assert.deepEqual(await violations(text), ['@graphql-eslint/relay-connection-types']);
  });
});
