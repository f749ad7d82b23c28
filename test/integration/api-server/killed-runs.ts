/** Runs of migrations whose process is killed with SIGKILL at a statement, and the states that they leave. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { RUN_FACTOR } from '../../support/runner/property-runs.js';
import type { TestPostgres } from '../../support/servers/postgres.js';
import type { StoppableRun } from './restore-under-test.js';

const PROGRAM = join(import.meta.dirname, '../../support/programs/stop-at-statement.js');
/** Runs of one process: each has up to three connections. */
const AT_ONCE = 24;
/** By default, every fifth statement and those between two different states. All with PCF_TEST_RUNS=1. */
const EVERY = Math.max(1, Math.round(1 / RUN_FACTOR));
const UNLIMITED = Number.MAX_SAFE_INTEGER;

export interface KilledRuns extends Pick<StoppableRun, 'image' | 'command'> {
  postgres: TestPostgres;
  /** Database from which each run starts. */
  template: string;
  /** Content of a database that decides what the next run has to do. */
  stateOf: (url: string) => Promise<unknown>;
  /** The number of statements varies, because a backfill adapts its batches: a run can end before its statement. */
  varies?: boolean;
}

/** A database that a killed run left, and the statement at which it was killed. */
export interface LeftDatabase {
  url: string;
  at: number;
}

export interface States {
  /** Database after a run that was not killed. */
  undisturbed: string;
  /** Statements of that run. */
  total: number;
  /** One database per state, including that of the undisturbed run. */
  left: LeftDatabase[];
}

/**
 * Kills runs at evenly spaced statements. If two neighbours leave different states, it kills runs at the statements
 * between, until it has found the statement that makes the difference. Those between equal states, such as in a
 * transaction that is rolled back, leave the same state, because no statement undoes an earlier one. A state that
 * returns after another one contradicts that, and fails the test: there may be states that it did not find.
 */
export async function statesAfterKills(killed: KilledRuns): Promise<States> {
  const { postgres, template } = killed;
  const undisturbed = await postgres.copyDatabase(template);
  const [total = 0] = await killAtStatements(killed, [{ url: undisturbed, at: UNLIMITED }]);
  const finalState = JSON.stringify(await killed.stateOf(undisturbed));
  const stateAt = new Map<number, string>();
  const left = new Map<string, LeftDatabase>();
  let due = evenlySpaced(total);
  while (due.length > 0) {
    for (let first = 0; first < due.length; first += AT_ONCE) {
      const numbers = due.slice(first, first + AT_ONCE);
      const runs = await Promise.all(
        numbers.map(async (at) => ({ url: await postgres.copyDatabase(template), at })),
      );
      const sent = await killAtStatements(killed, runs);
      for (const [index, run] of runs.entries()) {
        const state = JSON.stringify(await killed.stateOf(run.url));
        const isCompleted = killed.varies && sent[index]! < run.at && state === finalState;
        assert.ok(sent[index] === run.at || isCompleted, `stopped at ${sent[index]} instead of ${run.at}`);
        stateAt.set(run.at, state);
        if (!left.has(state)) left.set(state, run);
      }
    }
    due = betweenDifferentStates(stateAt);
  }
  if (!killed.varies) assertNoneReturns(stateAt);
  if (!left.has(finalState)) left.set(finalState, { url: undisturbed, at: total + 1 });
  return { undisturbed, total, left: [...left.values()] };
}

/** Always with the first and the last statement. */
function evenlySpaced(total: number): number[] {
  const numbers = Array.from({ length: total }, (_, index) => index + 1);
  return numbers.filter((at) => (at - 1) % EVERY === 0 || at === total);
}

/** The statement in the middle between each two neighbours with different states. */
function betweenDifferentStates(stateAt: ReadonlyMap<number, string>): number[] {
  const numbers = [...stateAt.keys()].sort((a, b) => a - b);
  return numbers.flatMap((at, index) => {
    const next = numbers[index + 1] ?? at;
    const differ = next - at > 1 && stateAt.get(at) !== stateAt.get(next);
    return differ ? [Math.floor((at + next) / 2)] : [];
  });
}

function assertNoneReturns(stateAt: ReadonlyMap<number, string>): void {
  const numbers = [...stateAt.keys()].sort((a, b) => a - b);
  const changes = numbers.filter(
    (at, index) => index > 0 && stateAt.get(at) !== stateAt.get(numbers[index - 1]!),
  );
  const distinct = new Set(stateAt.values()).size;
  assert.equal(distinct, changes.length + 1, `a state returns: it changes at the statements ${changes}`);
}

/** Returns the numbers of statements that the runs sent until the SIGKILL of their process. */
async function killAtStatements(
  { image, command }: KilledRuns,
  runs: readonly LeftDatabase[],
): Promise<number[]> {
  const child = fork(PROGRAM, [JSON.stringify(runs.map((run) => ({ ...run, image, command })))]);
  const exited = once(child, 'exit');
  const [sent] = (await Promise.race([
    once(child, 'message'),
    exited.then(([code]) => assert.fail(`the process of the runs exited with ${code}`)),
  ])) as [number[]];
  child.kill('SIGKILL');
  assert.deepEqual(await exited, [null, 'SIGKILL']);
  return sent;
}
