import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { isRetryable } from '../../../api-server/migrations/engine/is-retryable.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { stopAtStatement } from '../../support/processes/statement-stops.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { migratedDatabase } from './migrated-database.js';
import {
  contentOf,
  expandDatabase,
  IN_TRANSACTION,
  migrationsOf,
  restorableImage,
  runMigrations,
  type StoppableRun,
} from './restore-under-test.js';

const PROGRAM = join(import.meta.dirname, '../../support/programs/stop-at-statement.js');
/** Runs of one process: each has up to three connections. */
const AT_ONCE = 24;
const COMMANDS = ['contract', 'restore', 'purge'] as const;

describe('api-server migrate: contract, restore and purge that are killed or run twice', () => {
  let postgres: TestPostgres;
  let image: string;
  /** Databases from which the runs start. */
  let expanded: string;
  let contracted: string;
  const templateOf = (command: StoppableRun['command']) => (command === 'contract' ? expanded : contracted);

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
      const template = templateOf(command);
      const undisturbed = await postgres.copyDatabase(template);
      const [total = 0] = await killAtStatements(
        [{ url: undisturbed, at: Number.MAX_SAFE_INTEGER }],
        command,
      );
      const expected = await contentOf(postgres, undisturbed);
      assert.ok(total > 20, `only ${total} statements`);

      const left = new Set<string>();
      for (let first = 1; first <= total; first += AT_ONCE) {
        const numbers = Array.from({ length: Math.min(AT_ONCE, total - first + 1) }, (_, n) => first + n);
        const runs = await Promise.all(
          numbers.map(async (at) => ({ url: await postgres.copyDatabase(template), at })),
        );
        const sent = await killAtStatements(runs, command);
        assert.deepEqual(sent, numbers, 'each run was stopped at its statement');
        const states = await Promise.all(runs.map(({ url }) => contentOf(postgres, url)));
        for (const [index, { url, at }] of runs.entries()) {
          const state = JSON.stringify(states[index]);
          if (left.has(state)) continue; // the next run from this state was tested
          left.add(state);
          const { report } = await runMigrations({ url, image, command });
          assert.equal(report.error, undefined, `after statement ${at}`);
          assert.deepEqual(await contentOf(postgres, url), expected, `after statement ${at}`);
        }
      }
      // Runs were killed before, between and after their two transactions, and after contract created `schema_hidden`.
      assert.equal(left.size, command === 'contract' ? 4 : 3);
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

  /** Returns the numbers of statements that the runs sent until the SIGKILL of their process. */
  async function killAtStatements(
    runs: readonly { url: string; at: number }[],
    command: StoppableRun['command'],
  ): Promise<number[]> {
    const argument = JSON.stringify(runs.map((run) => ({ ...run, image, command })));
    const child = fork(PROGRAM, [argument]);
    const exited = once(child, 'exit');
    const [sent] = (await Promise.race([
      once(child, 'message'),
      exited.then(([code]) => assert.fail(`the process of the runs exited with ${code}`)),
    ])) as [number[]];
    child.kill('SIGKILL');
    assert.deepEqual(await exited, [null, 'SIGKILL']);
    return sent;
  }
});
