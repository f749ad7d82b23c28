/** `connections`: reaches each server of the settings, from the network and with the credentials of this pod. */
import { readFileSync } from 'node:fs';
import { connect, isIPv6 } from 'node:net';
import { Redis } from 'ioredis';
import pg from 'pg';
import { type ConnectionReport, EXIT } from '../../contract/image.js';
import { loadSettings } from '../config/load.js';
import type { Settings } from '../config/schema.js';
import { redact } from '../observability/logging/redact.js';
import { parseRedisUrl } from '../redis/redis-url.js';

type Connection = ConnectionReport['connections'][number];

/** A server of the settings. `reach` rejects with the reason if it can't be used. */
interface Endpoint {
  name: string;
  target: string;
  /** URL whose credentials errors must not contain. */
  url: string;
  reach: () => Promise<unknown>;
}

const TIMEOUT_MS = 5_000;
const DEFAULT_PORTS: Record<string, number> = { 'http:': 80, 'https:': 443 };
const POSTGRESQL_PORT = 5432;

/** Prints one line per server. Returns 0, or 75 if a server is unreachable. */
export async function connections({ json }: { json?: boolean }): Promise<number> {
  const endpoints = endpointsOf(await loadSettings());
  const report: ConnectionReport = { connections: await Promise.all(endpoints.map(check)) };
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : report.connections.map(lineOf).join(''));
  return report.connections.every(({ ok }) => ok) ? EXIT.ok : EXIT.tempFail;
}

/** Every server that a role of this image connects to. Exported for tests. */
export function endpointsOf({ database, redis, tracing, auth, grafana }: Settings): Endpoint[] {
  return [
    postgresql('database', database.url),
    ...(database.replica_url ? [postgresql('database replica', database.replica_url)] : []),
    ...(redis.url ? redisNodes(redis, redis.url) : []),
    ...(tracing.endpoint ? [http('tracing', tracing.endpoint)] : []),
    ...(auth.jwks_url ? [http('login keys', auth.jwks_url)] : []),
    ...(grafana.url ? [http('Grafana', grafana.url)] : []),
  ];
}

async function check({ name, target, url, reach }: Endpoint): Promise<Connection> {
  const startedAt = performance.now();
  const durationMs = () => Math.round(performance.now() - startedAt);
  try {
    await reach();
    return { name, target, ok: true, durationMs: durationMs() };
  } catch (error) {
    return { name, target, ok: false, durationMs: durationMs(), error: redact(messageOf(error), url) };
  }
}

/** A connection to a name with several addresses fails with one error per address, and no message of its own. */
function messageOf(error: unknown): string {
  const { message, code, errors } = error as NodeJS.ErrnoException & { errors?: Error[] };
  return message || errors?.map((each) => each.message).join('; ') || code || String(error);
}

function lineOf({ name, target, ok, durationMs, error }: Connection): string {
  return `${ok ? 'ok  ' : 'fail'}  ${name} at ${target}: ${ok ? `${durationMs} ms` : error}\n`;
}

function postgresql(name: string, url: string): Endpoint {
  const { hostname, port } = new URL(url);
  return {
    name,
    target: `${hostname || 'localhost'}:${port || POSTGRESQL_PORT}`,
    url,
    reach: async () => {
      const client = new pg.Client({
        connectionString: url,
        connectionTimeoutMillis: TIMEOUT_MS,
        query_timeout: TIMEOUT_MS,
        application_name: 'pcf-api connections',
      });
      client.on('error', () => {});
      try {
        await client.connect();
        await client.query('SELECT 1');
      } finally {
        await client.end().catch(() => {});
      }
    },
  };
}

/** Each host of the URL: with Sentinels or a cluster, clients must reach all of them after a failover. */
function redisNodes(redis: Settings['redis'], url: string): Endpoint[] {
  const { nodes, username, password, tls } = parseRedisUrl(url);
  const credentials =
    redis.mode === 'sentinel' ? { password: redis.sentinel_password } : { username, password };
  return nodes.map(({ host, port }) => ({
    name: 'redis',
    target: hostAndPort(host, port),
    url,
    reach: async () => {
      const client = new Redis({
        ...{ host, port, ...credentials, ...(tls ? { tls: authority(redis) } : {}) },
        ...{ lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 },
        ...{ connectTimeout: TIMEOUT_MS, commandTimeout: TIMEOUT_MS },
      });
      const failed = new Promise<never>((_, reject) => client.once('error', reject));
      try {
        await Promise.race([client.connect().then(() => client.ping()), failed]);
      } finally {
        client.disconnect();
      }
    },
  }));
}

function authority({ ca_file }: Settings['redis']) {
  return ca_file ? { ca: readFileSync(ca_file) } : {};
}

/** Opens a TCP connection: a request could have an effect, and its response says nothing about the network. */
function http(name: string, url: string): Endpoint {
  const { hostname, port, protocol } = new URL(url);
  const number = Number(port) || DEFAULT_PORTS[protocol]!;
  return { name, target: `${hostname}:${number}`, url, reach: () => openTcp(hostname, number) };
}

function openTcp(hostname: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const host = hostname.replace(/^\[|\]$/g, '');
    const socket = connect({ host, port, timeout: TIMEOUT_MS });
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('timeout', () => socket.destroy(new Error(`no connection within ${TIMEOUT_MS} ms`)));
    socket.once('error', reject);
  });
}

function hostAndPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}
