/** Compares the findings of lint with the corpus: false negatives and false positives fail. */
import assert from 'node:assert/strict';
import { ABSOLUTE, RULES } from '../../../api-server/migration-lint/rules.js';
import { rulesOf, textsOf } from '../../fixtures/migration-corpus/lint.js';
import { SAFE } from '../../fixtures/migration-corpus/safe.js';
import type { CorpusEntry } from '../../fixtures/migration-corpus/schema.js';
import { UNSAFE } from '../../fixtures/migration-corpus/unsafe.js';

const describeEntry = (entry: CorpusEntry) =>
  [
    entry.phase === 'expand' ? '' : `${entry.phase}: `,
    entry.transaction ? '' : 'no transaction: ',
    textsOf(entry).join('; ').replace(/\s+/g, ' '),
    entry.before ? ` (after ${entry.before})` : '',
  ].join('');

describe('migration lint: corpus', () => {
  for (const entry of SAFE) {
    it(`accepts ${describeEntry(entry)}`, async () => {
      assert.deepEqual(await rulesOf(entry), []);
    });
  }

  for (const entry of UNSAFE) {
    it(`reports ${entry.rules.join(', ')}: ${describeEntry(entry)}`, async () => {
      assert.deepEqual(await rulesOf(entry), [...entry.rules].sort());
    });
  }

  it('the corpus has at least 150 entries, and at least one for each rule', () => {
    assert.ok(SAFE.length + UNSAFE.length >= 150, String(SAFE.length + UNSAFE.length));
    const reported = new Set(UNSAFE.flatMap(({ rules }) => rules));
    const missing = Object.keys(RULES).filter((rule) => !reported.has(rule as never));
    assert.deepEqual(
      missing,
      ['name-reused'],
      'migration-lint.test.ts tests name-reused, because it requires an older contract',
    );
  });

  it('an allow comment suppresses each rule that is not absolute', async () => {
    for (const entry of UNSAFE) {
      if (entry.rules.length > 1 || entry.rules.some((rule) => ABSOLUTE.has(rule))) continue;
      const texts = textsOf(entry);
      const allowed = texts.map((sql) =>
        sql
          .split(/;(?![^$]*\$\$ *$)(?![^$]*END)/)
          .map((one) => `-- lint:allow ${entry.rules[0]}: a test says so\n${one}`)
          .join(';'),
      );
      assert.deepEqual(await rulesOf({ ...entry, sql: allowed }), [], texts.join('; '));
    }
  });
});
