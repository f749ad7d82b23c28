import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { isRetryable } from '../../../api-server/migrations/engine/is-retryable.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { stopAtStatement } from '../../support/processes/statement-stops.js';
import { removePostgres, startPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { runRole } from './api-process.js';
import {
  contentOf,
  expandDatabase,
  IN_TRANSACTION,
  migrationsOf,
  restorableImage,
  runMigrations,
} from './restore-under-test.js';

const COMMANDS = ['contract', 'restore', 'purge'] as const;
const POSITION = 'SELECT pg_current_wal_lsn() AS lsn';

describe('api-server migrate: failover to a replica during contract, restore and purge', () => {
  const servers: TestPostgres[] = [];
  let primary: TestPostgres;
  let replica: TestPostgres;
  let image: string;

  before(async () => {
    image = restorableImage();
    primary = await startPostgres();
    servers.push(primary);
    const expanded = await primary.createDatabase();
    assert.equal((await runRole(['migrate', 'up'], { PCF_API__DATABASE__URL: expanded })).code, 0);
    await expandDatabase(primary, expanded, await migrationsOf(image));
    const contracted = await primary.copyDatabase(expanded);
    const { report } = await runMigrations({ url: contracted, image, command: 'contract' });
    assert.equal(report.error, undefined);
    for (const command of COMMANDS) {
      const from = command === 'contract' ? expanded : contracted;
      for (const kind of ['stopped', 'lost']) await copyAs(from, `${command}_${kind}`);
    }
    await primary.query("UPDATE services SET team = 'replicated'", primary.url('restore_lost'));
    replica = await primary.startReplica();
    servers.push(replica);
    const [{ lsn } = { lsn: '' }] = await primary.query<{ lsn: string }>(POSITION, primary.url('postgres'));
    const replayed = `SELECT coalesce(pg_last_wal_replay_lsn() >= '${lsn}', false) AS done`;
    const hasReplayed = async () =>
      (await replica.query<{ done: boolean }>(replayed, replica.url('postgres')))[0]?.done === true;
    await eventually('the replica has all rows', hasReplayed, 60_000, 20);
  });
  after(async () => {
    rmSync(image, { recursive: true, force: true });
    for (const server of servers.reverse()) await removePostgres(server);
  });

  it('a run in a transaction fails with an error that is retried, a lost run leaves the records and the rows from before it, and the next run converges', async () => {
    const start = Object.fromEntries(
      await Promise.all(
        COMMANDS.map(async (one) => [one, await contentOf(replica, on(replica, one, 'lost'))]),
      ),
    );
    await disconnectReplica();
    await primary.query("UPDATE services SET team = 'lost'", primary.url('restore_lost'));
    for (const command of COMMANDS) {
      const { report } = await runMigrations({ url: on(primary, command, 'lost'), image, command });
      assert.equal(report.outcome, 'done', command);
    }
    const stopped = COMMANDS.map((command) => {
      const run = { url: on(primary, command, 'stopped'), image, command };
      return stopAtStatement(IN_TRANSACTION[command], () => runMigrations(run));
    });
    await Promise.all(stopped.map((run) => run.stopped));
    await primary.kill();
    for (const run of stopped) {
      run.resume();
      const { report, cause } = await run.result;
      assert.equal(report.outcome, 'failed');
      assert.match(report.error ?? '', /Connection terminated/);
      assert.equal(isRetryable(cause), true, report.error);
    }

    for (const command of COMMANDS) {
      const early = await runMigrations({ url: on(replica, command, 'stopped'), image, command });
      assert.match(early.report.error ?? '', /read-only transaction/);
      assert.equal(isRetryable(early.cause), true, command);
    }
    await replica.query('SELECT pg_promote(true, 20)', replica.url('postgres'));

    for (const command of COMMANDS) {
      const lost = on(replica, command, 'lost');
      assert.deepEqual(await contentOf(replica, lost), start[command], `${command}: rows and records differ`);
      for (const kind of ['stopped', 'lost'] as const) {
        const run = { url: on(replica, command, kind), image, command };
        assert.equal((await runMigrations(run)).report.outcome, 'done', `${command}, ${kind}`);
        assert.equal((await runMigrations(run)).report.outcome, 'nothing', `${command}, ${kind}`);
      }
    }
    // Contract and restore of the same rows: only what was replicated, in the old columns and the new ones.
    const rows = await replica.query(
      'SELECT DISTINCT owner, team FROM services',
      on(replica, 'restore', 'lost'),
    );
    assert.deepEqual(rows, [{ owner: 'replicated', team: 'replicated' }]);
    const undisturbed = await replica.query(
      `SELECT owner, repository FROM services WHERE team <> owner OR repository <> url || '#' || branch || '#' || substr(name, 2)`,
      on(replica, 'restore', 'stopped'),
    );
    assert.deepEqual(
      undisturbed,
      [],
      'the text after the second "#", which the expression can not compute, is retained',
    );
  });

  function on(server: TestPostgres, command: string, kind: 'stopped' | 'lost'): string {
    return server.url(`${command}_${kind}`);
  }

  async function copyAs(from: string, name: string): Promise<void> {
    const template = new URL(from).pathname.slice(1);
    await primary.query(`CREATE DATABASE "${name}" TEMPLATE "${template}"`, primary.url('postgres'));
  }

  /** What the primary commits after this is lost in the failover. */
  async function disconnectReplica(): Promise<void> {
    const url = replica.url('postgres');
    await replica.query("ALTER SYSTEM SET primary_conninfo = ''", url);
    await replica.query('SELECT pg_reload_conf()', url);
    const receivers = 'SELECT count(*)::int AS count FROM pg_stat_wal_receiver';
    const isDisconnected = async () =>
      (await replica.query<{ count: number }>(receivers, url))[0]?.count === 0;
    await eventually('the replica receives nothing', isDisconnected, 60_000, 20);
  }
});
