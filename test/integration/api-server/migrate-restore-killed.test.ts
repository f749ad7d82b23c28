import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { isRetryable } from '../../../api-server/migrations/engine/is-retryable.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { stopAtStatement } from '../../support/processes/statement-stops.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { statesAfterKills } from './killed-runs.js';
import { migratedDatabase } from './migrated-database.js';
import {
  contentOf,
  expandDatabase,
  IN_TRANSACTION,
  migrationsOf,
  type RestoreCommand,
  restorableImage,
  runMigrations,
} from './restore-under-test.js';

const COMMANDS = ['contract', 'restore', 'purge'] as const;

describe('api-server migrate: contract, restore and purge that are killed or run twice', () => {
  let postgres: TestPostgres;
  let image: string;
  /** Databases from which the runs start. */
  let expanded: string;
  let contracted: string;
  const templateOf = (command: RestoreCommand) => (command === 'contract' ? expanded : contracted);

  before(async () => {
    postgres = await sharedPostgres();
    image = restorableImage();
    expanded = await migratedDatabase();
    await expandDatabase(postgres, expanded, await migrationsOf(image));
    contracted = await postgres.copyDatabase(expanded);
    const { report } = await runMigrations({ url: contracted, image, command: 'contract' });
    assert.equal(report.error, undefined);
  });
  after(() => rmSync(image, { recursive: true, force: true }));

  for (const command of COMMANDS) {
    it(`${command}: the next run after SIGKILL at any statement leaves the same catalog, records and rows as an undisturbed run`, async () => {
      const { undisturbed, total, left } = await statesAfterKills({
        postgres,
        template: templateOf(command),
        image,
        command,
        stateOf: (url) => contentOf(postgres, url),
      });
      assert.ok(total > 20, `only ${total} statements`);
      const expected = await contentOf(postgres, undisturbed);
      for (const { url, at } of left) {
        const { report } = await runMigrations({ url, image, command });
        assert.equal(report.error, undefined, `after statement ${at}`);
        assert.deepEqual(await contentOf(postgres, url), expected, `after statement ${at}`);
      }
      // Runs were killed before, between and after their two transactions, and after contract created `schema_hidden`.
      assert.equal(left.length, command === 'contract' ? 4 : 3);
    });
  }

  it('a concurrent contract, restore or purge waits for the first one, fails with its session after runner_wait, and has nothing to do after it', async () => {
    await Promise.all(
      COMMANDS.map(async (command) => {
        const url = await postgres.copyDatabase(templateOf(command));
        const run = { url, image, command };
        const first = stopAtStatement(IN_TRANSACTION[command], () => runMigrations(run));
        await first.stopped;
        const early = await runMigrations(run, { PCF_API__MIGRATIONS__RUNNER_WAIT: '100ms' });
        assert.match(
          early.report.error ?? '',
          /another migration run still holds the lock after 100 ms: .*pid \d+/,
          command,
        );
        assert.equal(isRetryable(early.cause), true);
        const second = runMigrations(run);
        await eventually(`${command}: the second run polls the lock`, () => isPolled(url), 20_000, 20);
        first.resume();
        const outcomes = [(await first.result).report.outcome, (await second).report.outcome];
        assert.deepEqual(outcomes, ['done', 'nothing'], command);
      }),
    );
  });

  /** A run that waits does not block in `pg_locks`: it polls, and is idle between. */
  async function isPolled(url: string): Promise<boolean> {
    const polling = `SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND state = 'idle' AND query LIKE 'SELECT pg_try_advisory_lock%'`;
    return (await postgres.query(polling, url)).length > 0;
  }
});
