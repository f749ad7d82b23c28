/** Redis client. Redis is optional: without it the API serves with fewer caches. */
import { readFileSync } from 'node:fs';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { backoffMs } from '../backoff.js';
import type { Settings } from '../config/schema.js';
import { Secret } from '../config/secret.js';
import type { Logger } from '../observability/logging/logger.js';
import { addCircuit, isCircuitOpen } from './circuit.js';
import { traceCommands } from './command-spans.js';
import { parseRedisUrl, type RedisAddress } from './redis-url.js';
import { FailoverSafeConnector } from './sentinel-connector.js';

export type RedisClient = Redis | Cluster;

/** `unresponsive`: the circuit breaker is open, because commands timed out. */
export type RedisState = 'ready' | 'unresponsive' | 'unavailable' | 'not configured';

/**
 * `commands`: commands fail immediately while Redis is unavailable, because requests must not wait
 * for a cache. `waiting`: commands wait for a reconnect, as subscribers and BullMQ require.
 */
export type RedisUse = 'commands' | 'waiting';

const COMMAND_TIMEOUT_MS = 500;
const BACKOFF = { initialMs: 200, maxMs: 2_000 };

/** Connects in the background and retries without limit. Undefined when no URL is configured. */
export function createRedis(
  { redis }: Pick<Settings, 'redis'>,
  log: Logger,
  use: RedisUse = 'commands',
): RedisClient | undefined {
  if (!redis.url) return undefined;
  const address = parseRedisUrl(redis.url);
  const client = connect(redis, address, optionsFor(redis, address, use), use);
  logStates(client, log);
  if (use === 'commands') addCircuit(client, log);
  traceCommands(client);
  if (redis.url_file) followCredentials(client, new Secret(redis.url, { file: redis.url_file, log }), log);
  return client;
}

export function redisState(client: RedisClient | undefined): RedisState {
  if (!client) return 'not configured';
  if (isCircuitOpen(client)) return 'unresponsive';
  return client.status === 'ready' ? 'ready' : 'unavailable';
}

export function closeRedis(client: RedisClient | undefined): void {
  client?.disconnect();
}

function optionsFor(redis: Settings['redis'], address: RedisAddress, use: RedisUse): RedisOptions {
  const failAtOnce = {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
  };
  return {
    ...(use === 'commands' ? failAtOnce : { maxRetriesPerRequest: null }),
    connectTimeout: 5_000,
    keepAlive: 10_000,
    connectionName: 'pcf-api',
    username: address.username,
    password: address.password,
    ...(address.tls && { tls: redis.ca_file ? { ca: readFileSync(redis.ca_file) } : {} }),
    retryStrategy: (times) => backoffMs(times - 1, BACKOFF),
    // After a failover the old master is read-only; a reconnect finds the new one.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
  };
}

function connect(
  redis: Settings['redis'],
  { nodes, database, tls }: RedisAddress,
  options: RedisOptions,
  use: RedisUse,
): RedisClient {
  if (redis.mode === 'cluster') {
    return new Cluster(nodes, {
      clusterRetryStrategy: (times) => backoffMs(times - 1, BACKOFF),
      enableOfflineQueue: use !== 'commands',
      slotsRefreshTimeout: 5_000,
      redisOptions: options,
      // Cluster nodes announce names or addresses, which the TLS certificate is checked against.
      dnsLookup: (address, callback) => callback(null, address),
    });
  }
  if (redis.mode === 'sentinel') {
    return new Redis({
      ...options,
      db: database,
      sentinels: nodes,
      name: redis.sentinel_master,
      sentinelPassword: redis.sentinel_password,
      enableTLSForSentinelMode: tls,
      ...(tls && { sentinelTLS: options.tls }),
      sentinelRetryStrategy: (times) => backoffMs(times - 1, BACKOFF),
      failoverDetector: true,
      Connector: FailoverSafeConnector,
    });
  }
  return new Redis({ ...options, ...nodes[0], db: database });
}

/** Open connections are not affected; new ones use the new password. */
function followCredentials(client: RedisClient, secret: Secret, log: Logger): void {
  const options = client instanceof Cluster ? client.options.redisOptions : client.options;
  secret.onChange(() => {
    const { username, password } = parseRedisUrl(secret.value);
    Object.assign(options ?? {}, { username, password });
    log.info('Redis credentials reloaded, used for the next connection');
    // While connecting to a Sentinel, a disconnect would end the client.
    if (client.status !== 'ready' && client.status !== 'connecting') client.disconnect(true);
  });
  client.once('end', () => secret.close());
}

/** Logs state changes, not every attempt. */
function logStates(client: RedisClient, log: Logger): void {
  let isUnavailable = false;
  client.on('ready', () => {
    isUnavailable = false;
    log.info('Redis ready');
  });
  client.on('error', (error: Error) => {
    if (!isUnavailable) log.warn({ err: error }, 'Redis unavailable, serving without it');
    isUnavailable = true;
  });
}
