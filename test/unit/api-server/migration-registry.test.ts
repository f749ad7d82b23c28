import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { incompatibilityOf, isOlder } from '../../../api-server/migrations/engine/compatibility.js';
import { knownMigrations } from '../../../api-server/migrations/engine/known-migrations.js';
import { lintMigrations } from '../../../api-server/migrations/engine/lint-migrations.js';
import { compareCatalogs } from '../../../api-server/migrations/verify/verify.js';
import { checkRegistry } from '../../../scripts/migration-registry.js';

const entry = (name: string, checksum = 's1:a') => ({ name, phase: 'expand' as const, checksum });
const A = entry('A1795370000001');
const B = entry('B1795370000002');

/** SQL with quotes and comments that a scanner can misread. Its checksum is older than the scanner. */
const OLD_SQL = `
  CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN -- version 1's own
    NEW.a := split_part(NEW.b, '#', 1); /* that's "it" -- or not
    */ RETURN NEW; -- "
  END $$; COMMENT ON FUNCTION f IS 'it''s  so'; -- done`;

describe('migration registry', () => {
  it('accepts new migrations at the end, and rejects reordered, removed and changed ones', () => {
    assert.deepEqual(checkRegistry([A], [A, B]), { problems: [], unrecorded: [B] });
    const problemsOf = (...args: Parameters<typeof checkRegistry>) => checkRegistry(...args).problems.join();
    assert.match(problemsOf([B], [A, B]), /^A1795370000001 is out of order: .* after 1795370000002$/);
    assert.match(problemsOf([A, B], [B]), /^A1795370000001 was removed/);
    assert.match(problemsOf([A], [entry(A.name, 's1:b')]), /^A1795370000001 was changed/);
    assert.match(problemsOf([A], [{ ...A, phase: 'contract' }]), /was expand and is contract now/);
  });

  describe('migrations of an image', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pcf-registry-'));
    let images = 0;
    after(() => rmSync(folder, { recursive: true, force: true }));
    /** Loads the modules from a new folder, because Node.js caches loaded modules. */
    const load = (...texts: string[]) => {
      images += 1;
      const image = join(folder, String(images));
      mkdirSync(image);
      writeFileSync(join(image, 'package.json'), '{"type":"module"}');
      texts.forEach((text, index) => {
        const timestamp = /(\d{13})/.exec(text)?.[1];
        writeFileSync(join(image, `${timestamp}-${index}.js`), text);
      });
      return knownMigrations(pathToFileURL(`${image}/`));
    };
    const text = (name: string, body: string, phase = 'expand', more = '') =>
      `export class ${name} { ${more} async up(r) { ${body} } }\n${name}.phase = '${phase}';\n`;
    const checksum = async (...args: Parameters<typeof text>) => (await load(text(...args)))[0]?.checksum;
    const ADD = 'ALTER TABLE t ADD COLUMN x text';

    it('the checksum depends on the SQL, and not on the compiler, the layout or comments', async () => {
      const first = await checksum('A1795370000001', `await r.query('${ADD}');`);
      const same = [
        `const s = "${ADD}"; return r.query(s).then(() => undefined);`,
        `await r.query(\`\n  ${ADD.replaceAll(' ', '\n   ')}\n-- a comment\n\`); /* more */`,
      ];
      for (const body of same) assert.equal(await checksum('A1795370000001', body), first, body);
      const others = [
        `await r.query('${ADD} NOT NULL');`,
        `await r.query('${ADD}'); await r.query('${ADD}2');`,
      ];
      for (const body of others) assert.notEqual(await checksum('A1795370000001', body), first, body);
    });

    it('the checksum includes parameters and string literals that look like comments', async () => {
      const of = (body: string) => checksum('A1795370000001', body);
      const owner = (name: string) => of(`await r.query('INSERT INTO t VALUES ($1)', ['${name}']);`);
      assert.notEqual(await owner('a'), await owner('b'));
      assert.notEqual(await of("await r.query('INSERT INTO t VALUES (1)');"), await owner('a'));
      const insert = (text: string) =>
        of(`await r.query(${JSON.stringify(`INSERT INTO t VALUES (${text}) `)});`);
      for (const [one, other] of [
        ["'x -- a'", "'x -- b'"],
        ["'it''s -- a'", "'it''s -- b'"],
        ["E'it\\'s -- a'", "E'it\\'s -- b'"],
        ["$f$ SELECT '-- a' $f$", "$f$ SELECT '-- b' $f$"],
      ] as const) {
        assert.notEqual(await insert(one), await insert(other), one);
      }
      for (const comment of ["-- it's \n", '-- /* \n', '-- "x \n']) {
        assert.equal(await insert(`${comment}1, 'x'`), await insert("\n1, 'x'"), comment);
      }
    });

    it('the checksum of SQL without parameters and comment-like literals equals the recorded one', async () => {
      const body = `await r.query(${JSON.stringify(OLD_SQL)});`;
      assert.equal(await checksum('A1795370000001', body), 's1:35a56b042914a058be2351e2149948ac');
    });

    it('the checksum includes statements that depend on a query result', async () => {
      const body = (column: string) =>
        `const rows = await r.query('SELECT 1'); if (rows.length) await r.query('ALTER TABLE t DROP COLUMN ${column}');`;
      const [one] = await load(text('A1795370000001', body('x')));
      assert.equal(one?.dry.dynamic, true);
      assert.notEqual(one?.checksum, await checksum('A1795370000001', body('y')));
    });

    it('the checksum includes the declaration of a backfill, which requires the phase backfill', async () => {
      const spec = (where: string) =>
        `backfill = { table: 't', key: 'id', set: 'a = b', where: '${where}' };`;
      const of = (where: string) => checksum('A1795370000001', '', 'backfill', spec(where));
      assert.notEqual(await of('a IS NULL'), await of('b IS NULL'));
      await assert.rejects(
        load(text('A1795370000001', '', 'expand', spec('a IS NULL'))),
        /declares a backfill, so its phase must be backfill, not expand/,
      );
    });

    it('rejects a backfill with statements in `up`, because they would be recorded and never run', async () => {
      const spec = "backfill = { table: 't', key: 'id', set: 'a = b', where: 'a IS NULL' };";
      for (const body of ["await r.query('CREATE TABLE n (id int)');", "await r.hasTable('t');"]) {
        await assert.rejects(
          load(text('A1795370000001', body, 'backfill', spec)),
          /A1795370000001 declares a backfill, so its `up` never runs and must be empty/,
        );
      }
    });

    it('rejects an expand that reuses a name that an older contract drops, and accepts other names', async () => {
      const known = await load(
        text('A1795370000001', `await r.query('${ADD}');`),
        text('B1795370000002', "await r.query('ALTER TABLE t DROP COLUMN x');", 'contract'),
        text('C1795370000003', `await r.query('${ADD}');`),
        text('D1795370000004', "await r.query('ALTER TABLE t ADD COLUMN y text');"),
      );
      const linted = await lintMigrations(known);
      const rules = linted.map(({ findings }) => findings.map(({ rule }) => rule));
      assert.deepEqual(rules, [[], [], ['name-reused'], []]);
      // A contract that has been applied does not restrict names.
      assert.deepEqual((await lintMigrations(known.slice(2), []))[0]?.findings, []);
    });

    it('lint uses facts of older migrations, but for expand no facts of contracts, which may be pending', async () => {
      const sql = (statement: string) => `await r.query('${statement}');`;
      const setNotNull = sql('ALTER TABLE t ALTER x SET NOT NULL');
      const known = await load(
        text('A1795370000001', sql('ALTER TABLE t ADD CONSTRAINT c CHECK (x IS NOT NULL) NOT VALID')),
        text('B1795370000002', setNotNull, 'contract'),
        text('C1795370000003', sql('ALTER TABLE t VALIDATE CONSTRAINT c'), 'contract'),
        text('D1795370000004', setNotNull, 'contract'),
        text('E1795370000005', setNotNull),
      );
      const rules = (await lintMigrations(known)).map(({ findings }) => findings.map(({ rule }) => rule));
      assert.deepEqual(rules, [[], ['set-not-null'], [], [], ['set-not-null']]);
      const [pending] = await lintMigrations(known.slice(3, 4), [], known);
      assert.deepEqual(pending?.findings, [], 'applied migrations provide facts, too');
    });

    it('rejects version bounds that no version satisfies', async () => {
      const bounds = "A1795370000001.requires = '2.0.0'; A1795370000001.until = '1.0.0';";
      await assert.rejects(
        load(text('A1795370000001', '') + bounds),
        /no version satisfies the bounds of A1795370000001/,
      );
    });
  });

  it('compares versions numerically', () => {
    assert.ok(isOlder('1.9.0', '1.10.0') && isOlder('0.9.9', '1.0.0') && !isOlder('1.10.0', '1.9.0'));
    assert.ok(!isOlder('2.0.0-rc.1', '2.0.0'));
    assert.equal(incompatibilityOf('2.0.0', [{ name: 'A', requires: '2.0.0', until: '2.0.0' }]), undefined);
    assert.match(
      incompatibilityOf('1.9.9', [{ name: 'A', requires: '2.0.0' }]) ?? '',
      /needs version 2\.0\.0 or newer/,
    );
    assert.match(incompatibilityOf('2.0.1', [{ name: 'A', until: '2.0.0' }]) ?? '', /versions up to 2\.0\.0/);
  });

  it('compareCatalogs: reports a missing table once, without its columns, indexes and constraints', () => {
    const expected = new Map([
      ['table t', ''],
      ['column t.id', 'uuid'],
      ['index t_pkey', 'CREATE UNIQUE INDEX t_pkey ON t USING btree (id)'],
      ['constraint t.t_pkey', 'PRIMARY KEY (id)'],
      ['column u.id', 'uuid'],
    ]);
    const names = compareCatalogs(expected, new Map()).map(({ name }) => name);
    assert.deepEqual(names, ['column u.id', 'table t']);
  });
});
