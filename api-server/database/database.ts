/** Facade of the database: one data source for all servers and credentials. */
import { LRUCache } from 'lru-cache';
import type { PoolClient } from 'pg';
import type { EntityTarget } from 'typeorm';
import type { Settings } from '../config/schema.js';
import { Secret } from '../config/secret.js';
import type { Logger } from '../observability/logging/logger.js';
import type { RedisClient } from '../redis/redis.js';
import { cancelRequest } from './pool/cancel-request.js';
import { DataSource } from './pool/data-source.js';
import { DatabaseMonitor } from './pool/database-monitor.js';
import { DatabaseServer, type PoolFigures, type ServerName } from './pool/database-server.js';
import { DatabaseSession, later, parseLsn } from './pool/session.js';
import type { StatementEvent } from './pool/statement-observer.js';
import type { WatchConnection } from './pool/watch-connection.js';
import { ReplicaMonitor, type ReplicaState } from './replica/replica-monitor.js';
import { SharedWriters } from './routing/shared-writers.js';
import { StatementRouter } from './routing/statement-router.js';

export interface DatabaseParts {
  settings: Settings['database'];
  entities: EntityTarget<object>[];
  /** Why this image can't run on the schema; undefined when it can. */
  schemaMisfit: (connection: WatchConnection) => Promise<string | undefined>;
  /** Shares recent writers between processes. Without it, each process records only its own writers. */
  redis?: RedisClient;
  log: Logger;
  observe(event: StatementEvent): void;
  onRetry(what: 'read' | 'connect'): void;
}

export interface ReplicaStatus {
  state: ReplicaState;
  lagMs: number;
  reason?: string;
}

/** Maximum time for which a client reads from the primary after a write with an unknown position. */
const WRITER_TTL_MS = 60_000;
const MAX_WRITERS = 10_000;
const UNKNOWN_LSN = (1n << 63n) - 1n;

export class Database {
  readonly dataSource: DataSource;
  readonly monitor: DatabaseMonitor;
  readonly #primary: DatabaseServer;
  readonly #replica: { server: DatabaseServer; monitor: ReplicaMonitor } | undefined;
  /** Positions of clients with recent writes, so that their next request reads its own writes. */
  readonly #writers = new LRUCache<string, bigint>({ max: MAX_WRITERS, ttl: WRITER_TTL_MS });
  readonly #sharedWriters: SharedWriters | undefined;

  constructor(private readonly parts: DatabaseParts) {
    const { settings, log, observe, redis } = parts;
    this.#sharedWriters = redis && new SharedWriters(redis, WRITER_TTL_MS, log);
    const { url, url_file: file, replica_url: replicaUrl, replica_url_file: replicaFile } = settings;
    this.#primary = new DatabaseServer({
      name: 'primary',
      url: secret(url, file, log),
      settings,
      log,
      observe,
    });
    this.#replica = replicaUrl ? this.#createReplica(secret(replicaUrl, replicaFile, log)) : undefined;
    const router = new StatementRouter({
      primary: this.#primary,
      ...(this.#replica && { replica: this.#replica }),
      cancel: (client) => this.#cancel(client),
      onRetry: (what) => parts.onRetry(what),
      log,
    });
    this.dataSource = new DataSource(router, parts.entities, log);
    this.monitor = this.#createMonitor();
  }

  /** A connection to the primary outside of the pool, for LISTEN. */
  openWatch(): Promise<WatchConnection> {
    return this.#primary.openWatch();
  }

  start(): void {
    this.monitor.start();
    this.#replica?.monitor.start();
  }

  get hasReplica(): boolean {
    return this.#replica !== undefined;
  }

  get replicaStatus(): ReplicaStatus | undefined {
    if (!this.#replica) return undefined;
    const { state, lagMs, reason } = this.#replica.monitor;
    return { state, lagMs: Math.round(lagMs), ...(reason && { reason }) };
  }

  /** The pools, by name of the server. */
  get pools(): { server: ServerName; figures: PoolFigures; circuitIsOpen: boolean }[] {
    return [this.#primary, ...(this.#replica ? [this.#replica.server] : [])].map((server) => ({
      server: server.name,
      figures: server.figures,
      circuitIsOpen: server.circuitIsOpen,
    }));
  }

  /**
   * Creates the session for a request of `client`. `position` is the position that an earlier
   * response returned.
   */
  session(client?: string, position?: string): DatabaseSession {
    if (!this.#replica) return new DatabaseSession();
    const told = parseLsn(position);
    const known = client === undefined ? undefined : this.#writers.get(client);
    const shared = this.#sharedWriters;
    const ask = shared && client !== undefined ? () => shared.lsnOf(client) : undefined;
    return new DatabaseSession(later(told, known), ask);
  }

  /** After a request that wrote: the position up to which its client must read. */
  async writtenUpTo(session: DatabaseSession, client?: string): Promise<bigint | undefined> {
    if (!this.#replica || !session.wrote) return undefined;
    const lsn = await this.#primaryLsn();
    if (client === undefined) return lsn;
    this.#writers.set(client, lsn ?? UNKNOWN_LSN);
    await this.#sharedWriters?.note(client, lsn ?? UNKNOWN_LSN);
    return lsn;
  }

  async close(): Promise<void> {
    await Promise.all([this.monitor.close(), this.#replica?.monitor.close()]);
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
    await Promise.all([this.#primary.close(), this.#replica?.server.close()]);
  }

  #createMonitor(): DatabaseMonitor {
    const { settings, log, schemaMisfit } = this.parts;
    return new DatabaseMonitor({
      open: () => this.#primary.openWatch(),
      prepare: async () => {
        this.#primary.closeCircuit();
        if (!this.dataSource.isInitialized) await this.dataSource.initialize();
      },
      schemaMisfit,
      isReachable: () => this.#primary.isReachable(),
      onReady: () => this.#primary.closeCircuit(),
      backoff: { initialMs: settings.retry_initial, maxMs: settings.retry_max },
      probeIntervalMs: settings.probe_interval,
      log,
    });
  }

  #createReplica(url: Secret): { server: DatabaseServer; monitor: ReplicaMonitor } {
    const { settings, log, observe } = this.parts;
    const server = new DatabaseServer({ name: 'replica', url, settings, log, observe });
    const monitor = new ReplicaMonitor({
      open: () => server.openWatch(),
      primaryLsn: () => this.#primaryLsn(),
      onReady: () => server.closeCircuit(),
      maxLagMs: settings.replica_max_lag,
      intervalMs: settings.replica_probe_interval,
      backoff: { initialMs: settings.retry_initial, maxMs: settings.retry_max },
      log,
    });
    return { server, monitor };
  }

  async #primaryLsn(): Promise<bigint | undefined> {
    try {
      const [row] = await this.monitor.ask('SELECT pg_current_wal_insert_lsn()::text AS lsn');
      return parseLsn(String(row?.lsn));
    } catch {
      return undefined; // the monitor detects and reports it
    }
  }

  async #cancel(client: PoolClient): Promise<void> {
    try {
      await cancelRequest(client, this.parts.settings.connect_timeout);
    } catch (error) {
      this.parts.log.debug({ err: error }, 'cancelling a statement failed');
    }
  }
}

function secret(value: string, file: string | undefined, log: Logger): Secret {
  return new Secret(value, file ? { file, log } : undefined);
}
