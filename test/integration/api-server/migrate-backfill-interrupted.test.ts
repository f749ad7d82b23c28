import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { EXIT, type MigrationReport } from '../../../contract/image.js';
import { FULL_PACE, paceRows } from '../../support/fixtures/paced-rows.js';
import { migrationFile, runRole, spawnRole } from './api-process.js';
import { BACKFILL, FILL, OWNER, reportOf, UP, useMigrations } from './migrations-under-test.js';

/** The first batch takes 1 s, and 30,000 rows take 1 min. */
const SECONDS_PER_ROW = 0.002;

describe('api-server migrate: interrupted backfills', () => {
  const under = useMigrations();

  it('a killed backfill continues from its cursor and updates each row', async () => {
    const filling = under.image({ [FILL]: BACKFILL });
    await under.addServices(30_000);
    await under.postgres.query(paceRows(SECONDS_PER_ROW), under.url);
    const first = spawnRole(UP, under.env(), filling);
    while (!(await under.one("SELECT to_regclass('schema_backfills') AS v")) || !(await rows()))
      await sleep(10);
    first.child.kill('SIGKILL');
    const left = JSON.parse((await first.ended).terminationMessage) as MigrationReport;
    assert.deepEqual([left.outcome, left.running, left.retry], ['running', OWNER, true]);
    assert.match(left.error ?? '', /^killed while FillOwner1795380000001 ran/);
    const done = await rows();
    assert.ok(done < 30_000, `killed too late: ${done}`);

    const expand = reportOf(await runRole([...UP, '--phase', 'expand'], under.env(), filling));
    assert.deepEqual([expand.outcome, expand.backfill?.rows], ['nothing', done], 'the recorded progress');
    await under.postgres.query(FULL_PACE, under.url);
    const report = reportOf(await runRole(UP, under.env(), filling));
    assert.deepEqual([report.outcome, report.backfill?.rows], ['done', 30_000]);
    assert.equal(await under.one('SELECT count(*)::int AS v FROM services WHERE owner IS NULL'), 0);
    assert.equal(await rows(), 30_000, 'each row is updated once');
  });

  it('each later run reports the final progress of a backfill, even if it has nothing to do', async () => {
    const dropping = migrationFile(
      'Drop1795380000002',
      ['ALTER TABLE services DROP COLUMN tier'],
      'contract',
    );
    const both = under.image({ [FILL]: BACKFILL, '1795380000002-drop.js': dropping });
    await under.addServices(10);
    await under.postgres.query('ALTER TABLE services ADD COLUMN tier text', under.url);
    assert.equal(reportOf(await runRole(UP, under.env(), both)).backfill?.rows, 10);
    for (const phase of ['expand', 'backfill', 'contract']) {
      const { backfill, applied } = reportOf(await runRole([...UP, '--phase', phase], under.env(), both));
      assert.deepEqual(applied, phase === 'contract' ? ['Drop1795380000002'] : []);
      assert.deepEqual([backfill?.name, backfill?.rows, backfill?.secondsLeft], [OWNER, 10, 0], phase);
      assert.ok(backfill && backfill.total >= 10, phase);
    }
  });

  it('refuses a cancelled backfill until it is resumed', async () => {
    const filling = under.image({ [FILL]: BACKFILL });
    await under.addServices(10);
    assert.equal((await runRole(['migrate', 'cancel', OWNER], under.env(), filling)).code, EXIT.ok);
    const cancelled = await runRole(UP, under.env(), filling);
    assert.equal(cancelled.code, EXIT.config);
    assert.match(reportOf(cancelled).error ?? '', /was cancelled after 0 rows/);
    assert.equal((await runRole(['migrate', 'resume', OWNER], under.env(), filling)).code, EXIT.ok);
    assert.equal(reportOf(await runRole(UP, under.env(), filling)).backfill?.rows, 10);
  });

  it('a running backfill is cancelled after its batch, and updates the remaining rows when resumed', async () => {
    const filling = under.image({ [FILL]: BACKFILL });
    await under.addServices(30_000);
    await under.postgres.query(paceRows(SECONDS_PER_ROW), under.url);
    const run = spawnRole(UP, under.env(), filling);
    while (!(await under.one("SELECT to_regclass('schema_backfills') AS v")) || !(await rows()))
      await sleep(10);
    assert.equal((await runRole(['migrate', 'cancel', OWNER], under.env(), filling)).code, EXIT.ok);
    const ended = await run.ended;
    assert.equal(ended.code, EXIT.config, ended.stdout);
    const at = Number(/was cancelled after (\d+) rows/.exec(reportOf(ended).error ?? '')?.[1]);
    assert.ok(at > 0 && at < 30_000, `cancelled at ${at}`);
    assert.equal(await under.one('SELECT count(*)::int AS v FROM services WHERE owner IS NOT NULL'), at);

    await under.postgres.query(FULL_PACE, under.url);
    assert.equal((await runRole(['migrate', 'resume', OWNER], under.env(), filling)).code, EXIT.ok);
    const cursor = await under.one('SELECT cursor AS v FROM schema_backfills');
    await under.postgres.query('UPDATE services SET owner = NULL WHERE id = $1', under.url, [cursor]);
    const resumed = reportOf(await runRole(UP, under.env(), filling));
    // The next pass finds the row at the cursor again, so only this row is counted twice.
    assert.deepEqual([resumed.outcome, resumed.backfill?.rows], ['done', 30_001]);
    assert.equal(await under.one('SELECT count(*)::int AS v FROM services WHERE owner IS NULL'), 0);
  });

  it('migrate cancel and resume refuse a migration that is not a backfill', async () => {
    const adding = under.image({ '1795380000001-a.js': migrationFile('A1795380000001', []) });
    for (const action of ['cancel', 'resume']) {
      const ended = await runRole(['migrate', action, 'A1795380000001'], under.env(), adding);
      assert.equal(ended.code, EXIT.config);
      assert.match(ended.stderr, /A1795380000001 \(expand\) is not a backfill/);
    }
    assert.equal(await under.one("SELECT to_regclass('schema_backfills') AS v"), null);
  });

  it('a backfill continues after lock timeouts on rows: only attempts without progress count', async () => {
    const filling = under.image({ [FILL]: BACKFILL });
    await under.addServices(2_500);
    const holders = await Promise.all([600, 2_000].map((row) => lockRow(row)));
    const shortTimeouts = {
      PCF_API__MIGRATIONS__LOCK_TIMEOUT: '100ms',
      PCF_API__MIGRATIONS__LOCK_ATTEMPTS: '2',
    };
    const run = spawnRole(UP, under.env(shortTimeouts), filling);
    for (const [index, holder] of holders.entries()) {
      while (run.output.stderr.split('will be retried').length < index + 2) {
        assert.equal(run.child.exitCode, null, run.output.stdout);
        await sleep(20);
      }
      await holder.end();
    }
    const report = reportOf(await run.ended);
    assert.deepEqual([report.outcome, report.backfill?.rows], ['done', 2_500], report.error);
  });

  /** Locks a row in a transaction. `place` is its position in the order of the backfill. */
  async function lockRow(place: number): Promise<pg.Client> {
    const holder = new pg.Client({ connectionString: under.url });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query(
      'SELECT FROM services WHERE id = (SELECT id FROM services ORDER BY id OFFSET $1 LIMIT 1) FOR UPDATE',
      [place],
    );
    return holder;
  }

  async function rows(): Promise<number> {
    return Number(await under.one('SELECT coalesce(sum(rows), 0)::int AS v FROM schema_backfills'));
  }
});
