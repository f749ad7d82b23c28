/** `npm run bench -- verdicts`: error probabilities and exposed requests of sequential tests and of fixed bounds. */
import { Command } from 'commander';
import { deliver, type Ending, STEPS, TIME_BUDGET } from './delivery.js';
import { largestPower, leastRequests } from './limits.js';
import { seedOf } from './random.js';
import { rulesOf } from './rules.js';
import { type Scenario, Traffic } from './traffic.js';

const options = new Command('bench verdicts')
  .description(
    'Simulates deliveries of an equal revision (A/A) and of worse ones, and judges the same requests by several rules.',
  )
  .option('--deliveries <count>', 'A/A deliveries, over all traffic levels', '10000')
  .option('--regressions <count>', 'deliveries per regression and traffic level', '1000')
  .option('--rates <list>', 'requests per second of both revisions together', '20,200,2000')
  .option('--scrape <seconds>', 'scrape interval of Prometheus, a multiple of 5', '10')
  .option('--percentile <number>', 'percentile of the sequential test of the latency', '99')
  .option('--only-sequential', 'without the other rules')
  .option('--seed <number>', 'seed of the random numbers', '1')
  .parse()
  .opts<
    Record<'deliveries' | 'regressions' | 'rates' | 'scrape' | 'percentile' | 'seed', string> & {
      onlySequential?: boolean;
    }
  >();

const EQUAL = { moreErrors: 0, slower: 1 };
const equal: Scenario[] = [
  { ...EQUAL, name: 'A/A' },
  { ...EQUAL, name: 'A/A, 3 minutes with 5 % errors of both', incident: 0.05 },
];
const worse: Scenario[] = [
  { ...EQUAL, name: '+1 point of errors', moreErrors: 0.01 },
  { ...EQUAL, name: '+20 % latency', slower: 1.2 },
  { ...EQUAL, name: '+20 % p99, median unchanged', slower: 1.2, tail: true },
];

const rates = options.rates.split(',').map(Number);
const rules = rulesOf(Number(options.percentile)).slice(0, options.onlySequential ? 1 : undefined);
const heads = rules.map(({ name }) => name);

const perLevel = Math.ceil(Number(options.deliveries) / rates.length);
console.log(
  `Falsely aborted, of ${perLevel} deliveries per traffic level (${options.regressions} with errors)\n`,
);
printRow(['revision', 'requests/s', ...heads, 'not decided by sequential tests']);
printRow(Array(heads.length + 3).fill('---'));
for (const [index, scenario] of equal.entries()) {
  const count = index === 0 ? perLevel : Number(options.regressions);
  for (const rate of rates) {
    const [sequential, ...others] = rules.map((of) => endings(of, scenario, rate, count));
    const aborted = [sequential!, ...others].map((all) => shareOf(all, 'aborted'));
    printRow([scenario.name, rate, ...aborted, shareOf(sequential!, 'undecided')]);
  }
}

console.log(
  `\nAborted, and requests that the new revision received, mean of ${options.regressions} deliveries\n`,
);
printRow(['revision', 'requests/s', ...heads, 'limit of any test']);
printRow(Array(heads.length + 3).fill('---'));
for (const scenario of worse) {
  for (const rate of rates) {
    const cells = rules.map((of) => {
      const all = endings(of, scenario, rate, Number(options.regressions));
      const exposed = Math.round(all.reduce((sum, it) => sum + it.exposed, 0) / all.length);
      return `${shareOf(all, 'aborted')} / ${shareOf(all, 'promoted')}, ${exposed.toLocaleString('en')}`;
    });
    printRow([scenario.name, rate, ...cells, limitOf(scenario, rate)]);
  }
}

function endings(of: (typeof rules)[number], scenario: Scenario, rate: number, count: number): Ending[] {
  return Array.from({ length: count }, (_, number) => {
    const seed = seedOf(Number(options.seed), rate, number);
    return deliver(of, new Traffic(scenario, rate, Number(options.scrape), seed));
  });
}

/** Detected in the time budget of the first step, and expected requests until the detection. */
function limitOf(scenario: Scenario, rate: number): string {
  const power = largestPower(scenario, rate * STEPS[0].weight * TIME_BUDGET);
  return `${(power * 100).toFixed(2)} %, ${Math.round(leastRequests(scenario)).toLocaleString('en')}`;
}

function shareOf(all: Ending[], outcome: Ending['outcome']): string {
  return `${((all.filter((it) => it.outcome === outcome).length / all.length) * 100).toFixed(2)} %`;
}

function printRow(cells: (string | number)[]): void {
  console.log(`| ${cells.join(' | ')} |`);
}
