/** Measured servers. Each runs in its own process. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { within } from '../../../sandbox/process/within.js';
import { ApiProcess } from '../../integration/api-server/api-process.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { bearer, JWT_SECRET } from '../../support/fixtures/tokens.js';
import { OtlpReceiver } from '../../support/servers/otlp-receiver.js';
import { startRedis } from '../../support/servers/redis.js';
import type { BenchQuery } from './queries.js';

export const PEERS = {
  mercurius: 'Mercurius + JIT',
  yoga: 'GraphQL Yoga',
  apollo: 'Apollo Server',
  'mercurius-guarded': 'Mercurius, auth',
  'yoga-guarded': 'Yoga, auth',
  'apollo-guarded': 'Apollo, auth',
  floor: 'floor',
} as const;
export type Peer = keyof typeof PEERS;
export type PeerServer = Exclude<Peer, `${string}-guarded`>;

/** The server of a peer, and whether it verifies tokens and has a metric. */
export function serverOf(peer: Peer): [server: PeerServer, isGuarded: boolean] {
  const [server] = peer.split('-') as [PeerServer];
  return [server, peer !== server];
}

export interface Subject {
  name: string;
  url: string;
  headers: Record<string, string>;
  /** Resident memory, in MB. */
  memory(): number;
  /** CPU time until now, in µs. */
  cpu(): number;
  stop(): Promise<void>;
}

/** Database connections of each subject. */
export const POOL = 20;

/**
 * The API as in its image with all features enabled: Redis for the rate limit of every request, and traces of 1 % of them.
 * The response cache is disabled, because it would avoid the SQL that the benchmark compares.
 */
export async function startOurs(databaseUrl: string): Promise<Subject> {
  const redis = await startRedis();
  if (!redis) throw new Error('the benchmark needs a redis-server; see test/support/servers/redis.ts');
  const collector = await OtlpReceiver.start();
  const api = await ApiProcess.start({
    PCF_API__DATABASE__URL: databaseUrl,
    PCF_API__ENVIRONMENT: 'production',
    PCF_API__DATABASE__MAX_CONNECTIONS: String(POOL + 1), // one connection is for the monitor
    PCF_API__AUTH__JWT_SECRET: JWT_SECRET,
    PCF_API__REDIS__URL: redis.url,
    PCF_API__GRAPHQL__RESPONSE_CACHE: '0ms',
    PCF_API__RATE_LIMIT__REQUESTS: '10000000', // counted, but never reached
    PCF_API__TRACING__ENDPOINT: collector.url,
    PCF_API__TRACING__SAMPLE_RATIO: '0.01',
  });
  await api.waitForReady();
  await untilRedisIsUsed(api);
  return {
    name: 'ours',
    url: `http://127.0.0.1:${api.port}/graphql`,
    headers: await longLivedToken(),
    memory: () => residentMegabytes(api.pid),
    cpu: () => processorTime(api.pid),
    stop: async () => {
      await api.kill();
      collector.stop();
      await redis.stop();
    },
  };
}

function longLivedToken(): Promise<Record<string, string>> {
  return bearer({ exp: Math.floor(Date.now() / 1_000) + 24 * 3_600 });
}

async function untilRedisIsUsed(api: ApiProcess): Promise<void> {
  const isReady = async () =>
    /"redis":\{"status":"ready"/.test(await (await api.fetch('/health/ready')).text());
  await eventually('Redis is ready', isReady);
}

export async function startPeer(peer: Peer, databaseUrl: string, queries: BenchQuery[]): Promise<Subject> {
  const child = fork(join(import.meta.dirname, 'peer.js'), [peer], {
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  child.send({ databaseUrl, queries, pool: POOL });
  const started = Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => {
      throw new Error(`${peer} did not start`);
    }),
  ]);
  const [message] = (await within(`${peer} reports its port`, started)) as [{ port: number }];
  return {
    name: PEERS[peer],
    url: `http://127.0.0.1:${message.port}/graphql`,
    headers: serverOf(peer)[1] ? await longLivedToken() : {},
    memory: () => residentMegabytes(child.pid ?? 0),
    cpu: () => processorTime(child.pid ?? 0),
    stop: () => end(child),
  };
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** 0 without /proc. */
function residentMegabytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1_024);
  } catch {
    return 0;
  }
}

/** User and system time in µs, with a resolution of 10 ms. 0 without /proc. */
function processorTime(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  } catch {
    return 0;
  }
}
