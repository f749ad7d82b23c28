import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import Mocha from 'mocha';
import { RESULTS_FILE, type Results, summaryOf } from './results.js';

const { EVENT_HOOK_END, EVENT_RUN_END, EVENT_TEST_END, EVENT_TEST_FAIL } = Mocha.Runner.constants;

const SHOWN_LINES = 5;

/** mocha's spec reporter, with the slowest files and one line of counts at the end. */
export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const failures: string[] = [];
    const timeOfFiles: Results['timeOfFiles'] = {};
    const addTime = ({ file, duration = 0 }: Mocha.Runnable) => {
      if (!file) return; // root hooks
      const name = relative('dist', file).replace(/\.js$/, '.ts');
      timeOfFiles[name] = (timeOfFiles[name] ?? 0) + duration;
    };
    runner.on(EVENT_TEST_END, addTime);
    runner.on(EVENT_HOOK_END, addTime);
    runner.on(EVENT_TEST_FAIL, (test, error: Error) => failures.push(`${test.fullTitle()}\n${endOf(error)}`));
    runner.once(EVENT_RUN_END, () => {
      const { passes: passed = 0, failures: failed = 0, pending: skipped = 0 } = this.stats;
      const results: Results = { passed, failed, skipped, failures, timeOfFiles };
      const file = process.env[RESULTS_FILE];
      if (file) writeFileSync(file, JSON.stringify(results));
      else console.log(summaryOf(results));
    });
  }
}

/** Last lines of the message: output of a program ends with its error. */
function endOf({ message = '' }: Error): string {
  const lines = message.trimEnd().split('\n').slice(-SHOWN_LINES);
  return lines.map((line) => `      ${line}`).join('\n');
}
