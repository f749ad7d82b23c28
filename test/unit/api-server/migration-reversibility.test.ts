import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { knownMigrations } from '../../../api-server/migrations/engine/known-migrations.js';
import { lintMigrations } from '../../../api-server/migrations/engine/lint-migrations.js';
import type { HiddenChange } from '../../../api-server/migrations/reversible/hidden-changes.js';
import { selectRestored } from '../../../api-server/migrations/reversible/restore.js';
import { derivedExpression } from '../../../api-server/migrations/reversible/restore-expressions.js';
import { reversibilityOf } from '../../../api-server/migrations/reversible/reversibility.js';
import { syncTrigger } from '../../../api-server/migrations/reversible/sync-trigger.js';

const folder = mkdtempSync(join(tmpdir(), 'pcf-reversible-'));
let images = 0;

/** Loads a contract migration with a body of its class, after a backfill that copies `old` to `new`. */
async function loadContract(statements: string[], more = '') {
  images += 1;
  const image = join(folder, String(images));
  mkdirSync(image);
  writeFileSync(join(image, 'package.json'), '{"type":"module"}');
  writeFileSync(
    join(image, '1795370000001-fill.js'),
    `export class Fill1795370000001 { backfill = { table: 't', key: 'id', set: 'new = old::text', where: 'new IS NULL' }; async up() {} }
     Fill1795370000001.phase = 'backfill';`,
  );
  const calls = statements.map((sql) => `await r.query(${JSON.stringify(sql)});`).join(' ');
  writeFileSync(
    join(image, '1795370000002-drop.js'),
    `export class Drop1795370000002 { ${more} async up(r) { ${calls} } }
     Drop1795370000002.phase = 'contract';`,
  );
  return knownMigrations(pathToFileURL(`${image}/`));
}

async function reversibility(statements: string[], more?: string) {
  const known = await loadContract(statements, more);
  return reversibilityOf(known[1]!, known);
}

async function reasonOf(statements: string[], more?: string): Promise<string> {
  const found = await reversibility(statements, more);
  assert.ok('reason' in found, `${statements} is reversible`);
  return found.reason;
}

describe('reversibility of contract migrations', () => {
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('drops of columns, tables, views, functions, types, triggers, indexes and constraints are reversible', async () => {
    const found = await reversibility([
      'ALTER TABLE app.t DROP COLUMN a, DROP CONSTRAINT IF EXISTS c, ALTER b SET NOT NULL, ALTER b DROP DEFAULT, VALIDATE CONSTRAINT d',
      'DROP TABLE IF EXISTS u, "V"; DROP VIEW w; DROP TYPE y; DROP DOMAIN z; DROP SEQUENCE s',
      'DROP FUNCTION IF EXISTS app.f(int) RESTRICT; -- unused',
      'DROP INDEX i',
    ]);
    assert.ok('contract' in found);
    assert.deepEqual(found.contract.changes, [
      { kind: 'column', table: '"app"."t"', column: 'a', missingOk: false },
      { kind: 'constraint', table: '"app"."t"', name: 'c', missingOk: true },
      { kind: 'not-null', table: '"app"."t"', column: 'b' },
      { kind: 'drop-default', table: '"app"."t"', column: 'b' },
      { kind: 'validate', table: '"app"."t"', name: 'd' },
      { kind: 'object', type: 'TABLE', name: '"u"', missingOk: true },
      { kind: 'object', type: 'TABLE', name: '"V"', missingOk: true },
      { kind: 'object', type: 'VIEW', name: '"w"', missingOk: false },
      { kind: 'object', type: 'TYPE', name: '"y"', missingOk: false },
      { kind: 'object', type: 'DOMAIN', name: '"z"', missingOk: false },
      { kind: 'object', type: 'SEQUENCE', name: '"s"', missingOk: false },
      { kind: 'routine', type: 'FUNCTION', statement: 'app.f(int)', missingOk: true },
      { kind: 'index', name: '"i"', missingOk: false },
    ]);
  });

  for (const [sql, reason] of [
    ['DELETE FROM t', /^DELETE FROM t: only drops/],
    ['DROP TABLE t CASCADE', /CASCADE drops objects that it does not name/],
    ['ALTER TABLE t DROP COLUMN a CASCADE', /CASCADE/],
    ['ALTER TABLE t ALTER a DROP NOT NULL', /only drops, SET NOT NULL/],
    ["ALTER TABLE t ALTER a SET DEFAULT 'x'", /DROP DEFAULT, not SET DEFAULT/],
    ['ALTER TABLE ONLY t DROP COLUMN a', /without ONLY/],
    ['DROP FUNCTION f(), g()', /one statement per function/],
    ['DROP SCHEMA app', /this kind of object can not be hidden/],
  ] as const) {
    it(`${sql} is irreversible`, async () => assert.match(await reasonOf([sql]), reason));
  }

  it('a dropped trigger requires an expression for the dropped columns, which is declared or derived from a backfill', async () => {
    const drops = ['DROP TRIGGER g ON t', 'ALTER TABLE t DROP COLUMN a'];
    assert.match(await reasonOf(drops), /the trigger g, which it drops, may fill t\.a: declare `restore`/);
    const declared = await reversibility(drops, `restore = { t: { a: "lower(b) || '#' || new" } };`);
    assert.ok('contract' in declared);
    assert.deepEqual(declared.contract.expressions.get('"t".a'), {
      ...{ sql: "lower(b) || '#' || new", reads: ['b', 'new'], source: 'declared' },
    });
    const derived = await reversibility(['DROP TRIGGER g ON t', 'ALTER TABLE t DROP COLUMN old']);
    assert.ok('contract' in derived);
    assert.deepEqual(derived.contract.expressions.get('"t".old'), {
      ...{ sql: '"new"', reads: ['new'], source: 'derived' },
    });
    assert.match(await reasonOf(['DROP TRIGGER g ON t', 'DROP TABLE u']), /may fill the table u/);
  });

  it('an expression reads no column that the migration drops, and a dynamic migration is irreversible', async () => {
    const both = await reasonOf(
      ['ALTER TABLE t DROP COLUMN a, DROP COLUMN b'],
      `restore = { t: { a: 'b' } };`,
    );
    assert.match(both, /`restore` of a reads b, which the same migration drops/);
    const known = await loadContract(
      [],
      'async up(r) { for (const one of await r.query("SELECT 1")) r.query(one); }',
    );
    assert.deepEqual(
      await reversibilityOf({ ...known[1]!, dry: { ...known[1]!.dry, dynamic: true } }, known),
      {
        reason: 'it reads query results, so its statements are known only while it runs',
      },
    );
  });

  it('rejects a `restore` for a column that is not dropped, with invalid SQL, or with a statement', async () => {
    const drop = ['ALTER TABLE t DROP COLUMN a'];
    const rejected = (restore: string) =>
      assert.rejects(loadContract(drop, `restore = ${restore};`), /restore/);
    await rejected("{ t: { b: 'x' } }");
    await rejected("{ t: { a: 'lower(' } }");
    await rejected("{ t: { a: 'x), b = (1' } }");
    await rejected("{ t: { a: 'x) WHERE (true' } }");
    await rejected("{ t: 'x' }");
    await assert.rejects(loadContract(drop, "restore = { t: { b: 'x' } };"), /does not drop t\.b/);
  });

  it('lint refuses a `restore` that calls user code', async () => {
    const known = await loadContract(['ALTER TABLE t DROP COLUMN a'], "restore = { t: { a: 'app.f(b)' } };");
    const [, linted] = await lintMigrations(known);
    assert.deepEqual(
      linted?.findings.map(({ rule }) => rule),
      ['opaque'],
    );
  });
});

describe('derivedExpression', () => {
  const fill = (set: string, where = '') => ({ table: 't', key: 'id', set, where });
  const derived = async (...backfills: ReturnType<typeof fill>[]) =>
    (await derivedExpression(backfills, '"public"."t"', 'old'))?.sql;

  it('reverses a backfill that copies the column of every row', async () => {
    assert.equal(await derived(fill('new = old')), '"new"');
    assert.equal(await derived(fill('new = old::bigint', 'new IS NULL AND old IS NOT NULL')), '"new"');
    assert.equal(await derived(fill('new = old', 'new IS DISTINCT FROM old::text')), '"new"');
    assert.equal(
      await derived(fill('other = x'), fill('new = old', 'new IS NULL OR new IS DISTINCT FROM old')),
      '"new"',
    );
  });

  it('derives nothing from a backfill of some of the rows, or if another assignment reads the column', async () => {
    const email = fill('email = old', "old LIKE '%@%'");
    assert.equal(await derived(email, fill('phone = old', "old NOT LIKE '%@%'")), undefined);
    assert.equal(await derived(email), undefined);
    assert.equal(await derived(fill('new = old', 'new IS NULL AND kind IS NOT NULL')), undefined);
    assert.equal(await derived(fill('new = old', 'NOT (new IS NULL)')), undefined);
    assert.equal(await derived(fill('new = old'), fill('more = lower(old)')), undefined);
    assert.equal(await derived(fill('new = old, more = old')), undefined);
    assert.equal(await derived(fill('new = lower(old)')), undefined);
  });
});

describe('syncTrigger', () => {
  const table = { name: 'public.t', schema: 'public', relation: 't' };

  it('fires after other triggers, and quotes an expression with the tag of the body', () => {
    const { create } = syncTrigger('pcf_hidden_1_1', table, [
      {
        hidden: 'h',
        expression: "'$sync$' || a -- comment",
        reads: ['a'],
        readsColumnsOnly: true,
        isNotNull: false,
      },
    ]);
    assert.match(create[2]!, /AS \$sync1\$[\s\S]*\('\$sync\$' \|\| a -- comment\n\)/);
    assert.match(create[3]!, /^CREATE TRIGGER "~pcf_hidden_1_1" BEFORE INSERT OR UPDATE ON public\.t /);
  });

  it('compares the columns that the expression reads, or its results if it reads more than columns', () => {
    const body = (readsColumnsOnly: boolean) =>
      syncTrigger('n', table, [
        { hidden: 'h', expression: 'a / b', reads: ['a', 'b'], readsColumnsOnly, isNotNull: false },
      ]).create[2]!;
    assert.match(
      body(true),
      /ELSIF NEW\."a"::text IS DISTINCT FROM OLD\."a"::text OR NEW\."b"::text IS DISTINCT FROM OLD\."b"::text THEN/,
    );
    assert.match(body(false), /ELSIF \(SELECT \(a \/ b\n\)::text FROM \(SELECT NEW\.\*\)/);
  });

  it('handles values that a column can not store only if the column accepts NULL', () => {
    const body = (isNotNull: boolean) =>
      syncTrigger('n', table, [
        { hidden: 'h', expression: 'a', reads: ['a'], readsColumnsOnly: true, isNotNull },
      ]).create[2]!;
    assert.match(body(false), /EXCEPTION WHEN data_exception/);
    assert.doesNotMatch(body(true), /EXCEPTION/);
  });
});

describe('selectRestored', () => {
  const change = (migration: string, purgedAt: Date | null = null): HiddenChange => ({
    ...{ migration, hiddenAt: new Date(0), until: new Date(0), objects: [], restore: [], purge: [] },
    ...{ tables: [], lostCounters: [], reads: [], purgedAt },
  });
  const all = [change('P', new Date(0)), change('A'), change('B'), change('C')];
  const applied = new Set(['P', 'A', 'B', 'C', 'I']);
  const select = (...names: string[]) =>
    selectRestored(all, applied, names).map(({ migration }) => migration);

  it('selects the requested migrations and all that were hidden after them, newest first', () => {
    assert.deepEqual(select('B'), ['C', 'B']);
    assert.deepEqual(select(), ['C', 'B', 'A']);
    assert.deepEqual(select('Unapplied'), []);
  });

  it('refuses migrations that were purged, or that are applied and not hidden', () => {
    assert.throws(() => select('P'), /P can't be restored: what it dropped was purged at 1970/);
    assert.throws(() => select('B', 'I'), /I can't be restored: it ran without a window/);
  });
});
