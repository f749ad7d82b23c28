/** Starts each role of the API under a memory limit, sends load to it, and reads its memory. */
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { ApiProcess, type Env } from '../../integration/api-server/api-process.js';
import { bearer, JWT_SECRET } from '../../support/fixtures/tokens.js';
import { MemoryLimit, runMeasured } from '../../support/processes/memory-limit.js';
import { HttpEndpoint } from '../../support/servers/http-endpoint.js';
import { measure } from '../api/load.js';
import type { BenchQuery } from '../api/queries.js';
import { memoryOf } from './process-memory.js';

export interface Reading {
  role: string;
  /** In MiB. 0 without a limit. */
  limit: number;
  /** Resident set, in MiB. */
  idle: number;
  /** Resident set some seconds after the load, in MiB: memory that is not returned to the kernel. */
  after?: number;
  /** Largest resident set, in MiB. */
  peak: number;
}

export interface Load {
  databaseUrl: string;
  redisUrl: string;
  queries: BenchQuery[];
  /** Duration of each query. */
  seconds: number;
  connections: number;
}

const SETTLE_MS = 10_000;
const EMAIL = 'bench@example.com';
const PASSWORD = 'a password of the benchmark';

/** Starts a role under a limit, and reads its memory before and after the load. */
async function underLimit(
  role: 'serve' | 'worker' | 'auth',
  label: string,
  limitMib: number,
  env: Env,
  load: (api: ApiProcess) => Promise<void>,
): Promise<Reading> {
  await using limit = MemoryLimit.create(limitMib);
  const start = () => ApiProcess.start(env, undefined, role);
  const api = await (limit ? limit.around(start) : start());
  try {
    await api.waitForReady();
    await sleep(SETTLE_MS);
    const idle = memoryOf(api.pid, 'VmRSS');
    await load(api);
    await sleep(SETTLE_MS);
    const after = memoryOf(api.pid, 'VmRSS');
    return { role: label, limit: limit ? limitMib : 0, idle, after, peak: memoryOf(api.pid, 'VmHWM') };
  } finally {
    await api.kill();
  }
}

function settings({ databaseUrl, redisUrl }: Load, environment: string): Env {
  return {
    PCF_API__DATABASE__URL: databaseUrl,
    PCF_API__REDIS__URL: redisUrl,
    PCF_API__ENVIRONMENT: environment,
    PCF_API__AUTH__JWT_SECRET: JWT_SECRET,
    PCF_API__RATE_LIMIT__REQUESTS: '10000000', // counted, but never reached
    PCF_API__WEBHOOKS__ALLOW_PRIVATE: 'true',
  };
}

export async function serve(load: Load, environment: string, limitMib: number): Promise<Reading> {
  const env = settings(load, environment);
  return underLimit('serve', `serve, ${environment}`, limitMib, env, (api) =>
    requests(api, load, load.queries),
  );
}

async function requests(
  api: ApiProcess,
  { connections, seconds }: Load,
  queries: BenchQuery[],
): Promise<void> {
  const subject = {
    name: 'serve',
    url: `http://127.0.0.1:${api.port}/graphql`,
    headers: await bearer({ exp: Math.floor(Date.now() / 1_000) + 24 * 3_600 }),
    memory: () => memoryOf(api.pid, 'VmRSS'),
    cpu: () => 0,
    stop: () => api.kill(),
  };
  for (const query of queries) await measure(subject, query, connections, seconds);
}

/** Each mutation emits an event, which the worker sends to a webhook. */
export async function worker(load: Load, limitMib: number): Promise<Reading> {
  const env = settings(load, 'production');
  const receiver = await HttpEndpoint.start();
  const api = await ApiProcess.start(env);
  try {
    await api.waitForReady();
    const created = await api.graphql(
      `mutation ($url: String!) { createWebhook(input: { url: $url, events: [DEPLOYMENT_RECORDED] }) { secret } }`,
      { url: receiver.url },
      await bearer(),
    );
    if (created.errors.length > 0) throw new Error(JSON.stringify(created.errors));
    const mutations = load.queries.filter(({ name }) => name === 'a mutation');
    const reading = await underLimit('worker', 'worker', limitMib, env, () => requests(api, load, mutations));
    if (receiver.requests.length === 0) throw new Error('the worker sent no webhook');
    return { ...reading, role: `worker, ${receiver.requests.length} webhooks` };
  } finally {
    await api.kill();
    await receiver.stop();
  }
}

export async function auth(load: Load, limitMib: number): Promise<Reading> {
  const env = { ...settings(load, 'production'), PCF_API__AUTH__LOGIN_ATTEMPTS: '1000' };
  await createUser(env);
  return underLimit('auth', 'auth', limitMib, env, async (api) => {
    const result = await autocannon({
      url: `http://127.0.0.1:${api.port}/auth/login`,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: EMAIL, password: PASSWORD }),
      connections: load.connections,
      duration: load.seconds * load.queries.length,
    });
    if (result['2xx'] === 0) throw new Error('no login succeeded');
  });
}

async function createUser(env: Env): Promise<void> {
  const api = await ApiProcess.start(env);
  try {
    await api.waitForReady();
    const create = 'mutation ($input: CreateUserInput!) { createUser(input: $input) { id } }';
    const input = { email: EMAIL, name: 'Bench', role: 'OPERATOR', password: PASSWORD };
    const { errors } = await api.graphql(create, { input }, await bearer());
    if (errors.length > 0) throw new Error(JSON.stringify(errors));
  } finally {
    await api.kill();
  }
}

/** The commands of a migration Job, on a database without a schema. */
export async function migrate(databaseUrl: string): Promise<Reading[]> {
  const readings: Reading[] = [];
  for (const command of ['describe --json', 'migrate lint', 'migrate plan', 'migrate up', 'migrate verify']) {
    const args = ['dist/bundle/api-server/main.js', ...command.split(' ')];
    const { peakMib } = await runMeasured(args, { PCF_API__DATABASE__URL: databaseUrl });
    readings.push({ role: command, limit: 0, idle: 0, peak: Math.round(peakMib) });
  }
  return readings;
}
