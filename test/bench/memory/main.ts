/** `npm run bench -- memory`: memory of each role, idle and under load. The default requests and limits derive from it. */
import { Command } from 'commander';
import { Postgres } from '../../../sandbox/postgres/postgres.js';
import { startRedis } from '../../support/servers/redis.js';
import { seed } from '../api/data.js';
import { executable } from '../api/executable.js';
import { benchQueries } from '../api/queries.js';
import { operator } from './operator.js';
import { auth, type Load, migrate, type Reading, serve, worker } from './roles.js';

const options = new Command('bench memory')
  .description(
    'Resident memory of each role, idle and at its peak, under memory limits that the kernel enforces. Needs Linux; limits need root.',
  )
  .option(
    '--roles <list>',
    'any of serve, worker, auth, migrate, operator',
    'migrate,serve,worker,auth,operator',
  )
  .option(
    '--environments <list>',
    'environments and memory limits of serve, in MiB',
    'development=512,staging=1024,production=2048',
  )
  .option('--limit <mib>', 'memory limit of the other roles', '512')
  .option('--deployments <count>', 'rows in the database', '100000')
  .option('--seconds <count>', 'duration of each query', '5')
  .option('--connections <count>', 'concurrent clients', '64')
  .option('--objects <counts>', 'numbers of PcfApis for the operator', '50,300')
  .parse()
  .opts<
    Record<'roles' | 'environments' | 'limit' | 'deployments' | 'seconds' | 'connections' | 'objects', string>
  >();

const roles = options.roles.split(',');
const limit = Number(options.limit);
const readings: Reading[] = [];
const record = (...some: Reading[]) => {
  for (const { role, idle, peak } of some)
    console.log(`measured: ${role}: ${idle} MiB idle, ${peak} MiB peak`);
  readings.push(...some);
};

const ofTheApi = roles.filter((role) => role !== 'operator');
if (ofTheApi.length > 0) await measureApi();
if (roles.includes('operator')) record(...(await operator(options.objects.split(',').map(Number), limit)));
console.table(
  Object.fromEntries(
    readings.map(({ role, limit, idle, after, peak }) => [role, { 'limit, MiB': limit, idle, after, peak }]),
  ),
);
process.exit();

async function measureApi(): Promise<void> {
  const postgres = await Postgres.start();
  const redis = await startRedis();
  if (!redis) throw new Error('the benchmark needs a redis-server; see test/support/servers/redis.ts');
  try {
    if (roles.includes('migrate')) record(...(await migrate(await postgres.createDatabase('empty'))));
    const seeded = await seed(postgres, Number(options.deployments));
    const { schema } = await executable({ databaseUrl: seeded.url, pool: 1 });
    const load: Load = {
      databaseUrl: seeded.url,
      redisUrl: redis.url,
      queries: benchQueries(schema, seeded),
      seconds: Number(options.seconds),
      connections: Number(options.connections),
    };
    if (roles.includes('serve')) await measureServe(load);
    if (roles.includes('worker')) record(await worker(load, limit));
    if (roles.includes('auth')) record(await auth(load, limit));
  } finally {
    await redis.stop();
    await postgres.remove();
  }
}

async function measureServe(load: Load): Promise<void> {
  for (const pair of options.environments.split(',')) {
    const [environment = '', mib] = pair.split('=');
    record(await serve(load, environment, Number(mib)));
  }
}
