/**
 * `npm run bench -- contract-window`: latency of the writes of the new version before contract (the trigger of expand
 * maintains both formats), within the window after it (the hidden column is maintained), and after the purge.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { Client } from 'pg';
import { buildImage } from '../../../sandbox/images.js';
import { SPLIT_IMAGES } from '../../../sandbox/story/split/images.js';
import { seedServices } from '../../../sandbox/story/split/seed.js';
import { runRole } from '../../integration/api-server/api-process.js';
import { removePostgres, startPostgres } from '../../support/servers/postgres.js';

const options = new Command('bench contract-window')
  .description(
    'Statements without a network and without fsync, so that the cost of the trigger is not hidden.',
  )
  .option('--rows <count>', 'rows of the table', Number, 100_000)
  .option('--writes <count>', 'writes of each kind and state', Number, 20_000)
  .option('--clients <count>', 'concurrent clients', Number, 4)
  .parse()
  .opts<{ rows: number; writes: number; clients: number }>();

const STATES = ['before contract', 'within the window', 'after the purge'] as const;
type State = (typeof STATES)[number];

/** As version 2 writes. `$1` is a random key, `$2` a new text. */
const WRITES = {
  'update of a column that `restore` reads': 'UPDATE services SET repository_url = $2 WHERE id = $1',
  'update of another column': 'UPDATE services SET description = $2 WHERE id = $1',
  insert: 'INSERT INTO services (id, name, repository_url, repository_branch) VALUES ($1, $2, $2, $2)',
};

const folder = mkdtempSync(join(tmpdir(), 'pcf-bench-'));
const postgres = await startPostgres();
try {
  const urls = await databases();
  const keys = (await postgres.query<{ id: string }>('SELECT id FROM services', urls['before contract'])).map(
    ({ id }) => id,
  );
  const table: Record<string, Record<string, number>> = {};
  for (const [kind, sql] of Object.entries(WRITES)) {
    const latencies = await measure(urls, sql, kind === 'insert' ? undefined : keys);
    for (const state of STATES) table[`${kind}, ${state}`] = row(latencies, state);
  }
  console.table(table);
} finally {
  await removePostgres(postgres);
  rmSync(folder, { recursive: true, force: true });
}
process.exit();

/** A database of the same rows in each state. */
async function databases(): Promise<Record<State, string>> {
  buildImage(folder, SPLIT_IMAGES.v1);
  buildImage(folder, SPLIT_IMAGES.v2);
  const before = await postgres.createDatabase();
  await migrate(before, 'v1', ['expand']);
  await seedServices(before, options.rows);
  await migrate(before, 'v2', ['expand', 'backfill']);
  const within = await postgres.copyDatabase(before);
  await migrate(within, 'v2', ['contract'], { PCF_API__MIGRATIONS__CONTRACT_WINDOW: '1h' });
  const after = await postgres.copyDatabase(before);
  await migrate(after, 'v2', ['contract']);
  const urls = { 'before contract': before, 'within the window': within, 'after the purge': after };
  for (const url of Object.values(urls)) await postgres.query('VACUUM ANALYZE services', url);
  return urls;
}

async function migrate(
  url: string,
  version: keyof typeof SPLIT_IMAGES,
  phases: string[],
  env: Record<string, string> = {},
): Promise<void> {
  const image = join(folder, SPLIT_IMAGES[version].name, SPLIT_IMAGES[version].tag);
  const args = ['migrate', 'up', '--phase', ...phases];
  const { code, stdout, stderr } = await runRole(args, { PCF_API__DATABASE__URL: url, ...env }, image);
  if (code !== 0) throw new Error(`migrate up failed: ${stdout}${stderr}`);
}

/** Each client writes to one state after the other, so that other load of the machine affects all of them. */
async function measure(
  urls: Record<State, string>,
  sql: string,
  keys: string[] | undefined,
): Promise<Record<State, number[]>> {
  const latencies: Record<State, number[]> = {
    ...{ 'before contract': [], 'within the window': [], 'after the purge': [] },
  };
  const perClient = Math.ceil(options.writes / options.clients);
  const warmUp = Math.ceil(perClient / 20);
  const work = async (client: number) => {
    const connections = await Promise.all(
      STATES.map(async (state) => {
        const connection = new Client({ connectionString: urls[state] });
        await connection.connect();
        return { state, connection };
      }),
    );
    for (let count = 0; count < perClient + warmUp; count += 1) {
      const key = keys ? keys[Math.floor(Math.random() * keys.length)] : crypto.randomUUID();
      const text = `https://git.example.com/${client}/${crypto.randomUUID()}`;
      const first = count % STATES.length;
      for (const { state, connection } of [...connections.slice(first), ...connections.slice(0, first)]) {
        const startedAt = performance.now();
        await connection.query({ name: 'write', text: sql, values: [key, text] });
        if (count >= warmUp) latencies[state].push(performance.now() - startedAt);
      }
    }
    await Promise.all(connections.map(({ connection }) => connection.end()));
  };
  await Promise.all(Array.from({ length: options.clients }, (_, client) => work(client)));
  return latencies;
}

/** Latencies in milliseconds, and the ratio to those before contract. */
function row(latencies: Record<State, number[]>, state: State): Record<string, number> {
  const [p50, p99] = [0.5, 0.99].map((share) => quantile(latencies[state], share)) as [number, number];
  const before = latencies['before contract'];
  return {
    'p50, ms': round(p50, 3),
    'p99, ms': round(p99, 3),
    'p50, ratio': round(p50 / quantile(before, 0.5), 2),
    'p99, ratio': round(p99 / quantile(before, 0.99), 2),
  };
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
