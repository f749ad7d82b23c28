/**
 * Starts runs of migrations, each of which stops at a statement, and reports when all are stopped. The test then kills
 * this process with SIGKILL. One process for many runs, because its start takes longer than a run.
 */
import { runMigrations, type StoppableRun } from '../../integration/api-server/restore-under-test.js';
import { stopAtStatement } from '../processes/statement-stops.js';

const runs = JSON.parse(process.argv[2] ?? '[]') as (StoppableRun & { at: number })[];
const started = runs.map(({ at, ...run }) => stopAtStatement(at, () => runMigrations(run)));
await Promise.all(started.map(({ stopped }) => stopped));
process.send?.(started.map(({ sent }) => sent()));
setInterval(() => undefined, 60_000); // until it is killed
