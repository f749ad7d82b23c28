import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, type MigrationReport, migrationReportSchema } from '../../../contract/image.js';
import { removePostgres, startPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { makeImage, runRole, spawnRole } from './api-process.js';

const UP = ['migrate', 'up', '--json'];
const ROWS = 1_200; // three batches
const filling = (name: string, column: string) =>
  makeImage({
    '1795380000001-fill.js': `export class ${name} {
      backfill = { table: 'services', key: 'id', set: "${column} = 'platform'", where: '${column} IS NULL' };
      async up() {}
    }\n${name}.phase = 'backfill';\n`,
  });

describe('api-server migrate: backfill with a lagging replica', () => {
  const servers: TestPostgres[] = [];
  const images: string[] = [];
  let primary: TestPostgres;
  let replica: TestPostgres;
  /** URL of the superuser. `ordinary` is the URL of a role that is no superuser. */
  let url: string;
  let ordinary: string;
  let onReplica: string;

  before(async () => {
    primary = await startPostgres();
    servers.push(primary);
    url = await primary.createDatabase();
    const database = new URL(url).pathname.slice(1);
    await primary.query("CREATE ROLE ordinary LOGIN PASSWORD 'ordinary'", url);
    await primary.query('GRANT ALL ON SCHEMA public TO ordinary', url);
    ordinary = url.replace(/\/\/[^@]*@/, '//ordinary:ordinary@');
    assert.equal((await runRole(UP, { PCF_API__DATABASE__URL: ordinary })).code, EXIT.ok);
    await primary.query(
      `INSERT INTO services (id, name) SELECT gen_random_uuid(), 's' || n FROM generate_series(1, ${ROWS}) n`,
      url,
    );
    await primary.query('CREATE TABLE beat (n int)', url);
    replica = await primary.startReplica();
    servers.push(replica);
    onReplica = replica.url(database);
    // After the pause, replay would otherwise cancel queries that are in its way, even the one that resumes it.
    await replica.query('ALTER SYSTEM SET max_standby_streaming_delay = -1', onReplica);
    await replica.query('SELECT pg_reload_conf()', onReplica);
    // Replay is paused when the replica has the table.
    while ((await replica.query("SELECT to_regclass('beat') AS there", onReplica))[0]?.there === null) {
      await sleep(20);
    }
    await replica.query('SELECT pg_wal_replay_pause()', onReplica);
    const lag =
      'SELECT coalesce(extract(epoch FROM max(replay_lag)), 0)::float8 AS s FROM pg_stat_replication';
    const behind = async () => Number((await primary.query<{ s: number }>(lag, url))[0]?.s);
    while ((await behind()) < 6) {
      await primary.query('INSERT INTO beat VALUES (1)', url);
      await sleep(200);
    }
  });
  after(async () => {
    for (const folder of images) rmSync(folder, { recursive: true, force: true });
    for (const server of servers.reverse()) await removePostgres(server);
  });

  it('warns that it does not wait for the replica if its role cannot read the replication lag', async () => {
    const image = filling('FillOwner1795380000001', 'owner');
    images.push(image);
    const ended = await runRole(UP, { PCF_API__DATABASE__URL: ordinary }, image);
    const report = parsed(ended.stdout);
    assert.deepEqual([ended.code, report.backfill?.rows], [EXIT.ok, ROWS]);
    assert.match(report.backfill?.warning ?? '', /does not wait for them; GRANT pg_read_all_stats/);
    const warnings = ended.stderr
      .split('\n')
      .filter((line) => /"level":"warn".*pg_read_all_stats/.test(line));
    assert.equal(warnings.length, 1, ended.stderr);
  });

  it('waits if its role can read the lag, reports this, can be cancelled, and continues when the replica has caught up', async () => {
    await primary.query('GRANT pg_read_all_stats TO ordinary', url);
    const name = 'FillRepository1795380000001';
    const image = filling(name, 'repository');
    images.push(image);
    const env = { PCF_API__DATABASE__URL: ordinary };
    const start = async () => {
      const run = spawnRole(UP, env, image);
      while (!run.output.stderr.includes('"throttled":"the replica ')) {
        assert.equal(run.child.exitCode, null, run.output.stdout);
        await sleep(20);
      }
      return run;
    };
    const first = await start();
    const status = await runRole(['migrate', 'status'], env, image);
    assert.match(status.stdout, new RegExp(`${name}: 500 of .* throttled: the replica .* is \\d+ s behind`));
    assert.equal((await runRole(['migrate', 'cancel', name], env, image)).code, EXIT.ok);
    const cancelled = await first.ended;
    assert.equal(cancelled.code, EXIT.config);
    assert.match(parsed(cancelled.stdout).error ?? '', /was cancelled after 500 rows/);

    assert.equal((await runRole(['migrate', 'resume', name], env, image)).code, EXIT.ok);
    const second = await start();
    assert.match(second.output.stderr, /"rows":1000,/, 'it waits again after one more batch');
    await replica.query('SELECT pg_wal_replay_resume()', onReplica);
    const { code, stdout, stderr } = await second.ended;
    const { backfill } = parsed(stdout);
    assert.deepEqual(
      [code, backfill?.rows, backfill?.throttled, backfill?.warning],
      [EXIT.ok, ROWS, undefined, undefined],
    );
    assert.doesNotMatch(stderr, /"level":"warn"/);
  });
});

function parsed(stdout: string): MigrationReport {
  return migrationReportSchema.parse(JSON.parse(stdout));
}
