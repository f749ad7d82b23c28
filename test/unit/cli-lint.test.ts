/** Output and exit code of `kubectl pcf migrate lint`, which CI pipelines depend on. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

describe('kubectl pcf migrate lint', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pcf-lint-'));
  after(() => rmSync(folder, { recursive: true }));

  const file = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const lint = (args: string[], input = '') =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      const all = ['dist/bundle/cli/bin.js', 'migrate', 'lint', ...args];
      const child = execFile(process.execPath, all, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
      );
      child.stdin?.end(input);
    });

  const drop = file('drop.sql', 'ALTER TABLE services DROP COLUMN owner;\n');

  it('checks each file by its phase, prints the cause and the remedy of a finding, and exits with 1', async () => {
    const fine = file('add.sql', 'ALTER TABLE services ADD COLUMN tier text;\n');
    const { code, stdout } = await lint(['-f', fine, drop]);
    assert.equal(code, 1);
    assert.match(stdout, /drop\.sql: .*drop-column: ALTER TABLE services DROP COLUMN owner/);
    assert.match(stdout, /because the old version, which still serves traffic, reads the column/);
    assert.match(stdout, /^2 files, 1 findings$/m);
    assert.doesNotMatch(stdout, /add\.sql/);
    assert.equal((await lint(['-f', drop, '--phase', 'contract'])).code, 0);
  });

  it('reads SQL from standard input, and accepts a lint:allow comment that has a reason', async () => {
    const allowed =
      '-- lint:allow drop-column: it never reached production\nALTER TABLE services DROP COLUMN owner;';
    assert.deepEqual(
      [await lint(['-f', '-'], allowed)].map(({ code, stdout }) => [code, stdout]),
      [[0, '1 files, 0 findings\n']],
    );
  });

  it('reads the phase of a migration module from the module, and of its backfill too', async () => {
    const migrations = 'dist/sandbox/story/split/migrations';
    const { code, stdout } = await lint([
      '-f',
      `${migrations}/1795370000202-fill-repository-parts.js`,
      `${migrations}/1795370000203-drop-repository.js`,
    ]);
    assert.deepEqual([code, stdout], [0, '2 files, 0 findings\n']);
    const bad = file(
      '1795380000001-bad.mjs',
      `export class Bad1795380000001 { async up(runner) { await runner.query('DROP TABLE services'); } }\nBad1795380000001.phase = 'expand';\n`,
    );
    const found = await lint(['-f', bad]);
    assert.equal(found.code, 1);
    assert.match(found.stdout, /1795380000001-bad\.mjs: drop: DROP TABLE services/);
  });

  it('fails with a message when the file does not exist or the SQL has a syntax error', async () => {
    const missing = await lint(['-f', join(folder, 'nothing.sql')]);
    assert.notEqual(missing.code, 0);
    assert.match(missing.stderr, /nothing\.sql is not a file/);
    const broken = await lint(['-f', '-'], 'ALTER TABEL services;');
    assert.notEqual(broken.code, 0);
    assert.match(broken.stdout + broken.stderr, /syntax error/);
  });
});
