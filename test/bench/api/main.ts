/** `npm run bench api`: compares the API with all features enabled to peers with the same schema and SQL. */
import assert from 'node:assert/strict';
import { Command } from 'commander';
import { Postgres } from '../../../sandbox/postgres/postgres.js';
import { seed } from './data.js';
import { executable } from './executable.js';
import { best, type Measured, measure, sendQuery, warm } from './load.js';
import { type BenchQuery, benchQueries } from './queries.js';
import { PEERS, type Peer, type Subject, startOurs, startPeer } from './subjects.js';
import { printTable, type Row, shortfalls } from './table.js';

const options = new Command('bench api')
  .description(
    'Requests per second, latency and memory with a real PostgreSQL. Each server runs in its own process.',
  )
  .option('--deployments <count>', 'rows in the database', '100000')
  .option('--seconds <count>', 'duration of each measurement in a round', '2')
  .option('--rounds <count>', 'rounds of measurements; the best round of each server counts', '3')
  .option('--connections <list>', 'concurrent clients', '1,64')
  .option(
    '--servers <list>',
    `any of ours, ${Object.keys(PEERS).join(', ')}`,
    `ours,${Object.keys(PEERS).join(',')}`,
  )
  .option('--queries <text>', 'only queries with this text in their name', '')
  .addHelpText(
    'after',
    '\nExamples:\n  $ npm run bench api\n  $ npm run bench api -- --servers ours,floor --queries nested',
  )
  .parse()
  .opts<{
    deployments: string;
    seconds: string;
    rounds: string;
    connections: string;
    servers: string;
    queries: string;
  }>();

const print = (line: string) => console.log(line);
const postgres = await Postgres.start();
try {
  await bench();
} finally {
  await postgres.remove();
}
process.exit();

async function bench(): Promise<void> {
  print(`filling the database: ${options.deployments} deployments`);
  const seeded = await seed(postgres, Number(options.deployments));
  const { schema } = await executable({ databaseUrl: seeded.url, pool: 1 });
  const queries = benchQueries(schema, seeded).filter(({ name }) => name.includes(options.queries));
  const subjects: Subject[] = [];
  try {
    for (const name of options.servers.split(',')) {
      subjects.push(
        name === 'ours' ? await startOurs(seeded.url) : await startPeer(name as Peer, seeded.url, queries),
      );
    }
    await compareAnswers(subjects, queries);
    const rows = await measureAll(subjects, queries);
    printTable(rows, print);
    const short = shortfalls(rows);
    print(short.length === 0 ? '\nall targets met' : `\nbelow target:\n  ${short.join('\n  ')}`);
  } finally {
    await Promise.all(subjects.map((subject) => subject.stop()));
  }
}

/** Asserts that all subjects return the same data. */
async function compareAnswers(subjects: Subject[], queries: BenchQuery[]): Promise<void> {
  for (const query of queries.filter(({ unique }) => !unique)) {
    const answers = await Promise.all(subjects.map((subject) => sendQuery(subject, query)));
    answers.forEach(({ data, errors }, index) => {
      assert.equal(errors, undefined, `${subjects[index]?.name}, ${query.name}: ${JSON.stringify(errors)}`);
      assert.deepEqual(
        data,
        answers[0]?.data,
        `${subjects[index]?.name} returns different data: ${query.name}`,
      );
    });
  }
}

/** Alternates between the subjects, so that other load of the machine affects all of them. */
async function inTurns(
  subjects: Subject[],
  query: BenchQuery,
  connections: number,
): Promise<Map<string, Measured[]>> {
  const results = new Map<string, Measured[]>(subjects.map(({ name }) => [name, []]));
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const subject of subjects) {
      results.get(subject.name)?.push(await measure(subject, query, connections, Number(options.seconds)));
    }
  }
  return results;
}

async function measureAll(subjects: Subject[], queries: BenchQuery[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const query of queries) {
    for (const subject of subjects) await warm(subject, query);
    for (const connections of options.connections.split(',').map(Number)) {
      const row: Row = { query: query.name, connections, results: new Map() };
      for (const [name, rounds] of await inTurns(subjects, query, connections)) {
        row.results.set(name, best(rounds));
      }
      rows.push(row);
      print(`measured: ${query.name}, ${connections}`);
    }
  }
  return rows;
}
