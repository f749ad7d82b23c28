import type { ReplicaStatus } from '../../database/database.js';
import type { DatabaseStatus } from '../../database/pool/database-monitor.js';
import type { RedisState } from '../../redis/redis.js';

export interface ReadinessReport {
  status: 'ready' | 'not ready';
  checks: {
    database: { status: DatabaseStatus['state']; since: string; reason?: string };
    /** Reported but not required: without the replica, all reads go to the primary. */
    replica?: ReplicaStatus;
    /** Reported but not required by the API. */
    redis: { status: RedisState };
    shutdown: { status: 'running' | 'shutting down' };
  };
}

export interface ReadinessParts {
  database(): DatabaseStatus;
  redis(): RedisState;
  replica?(): ReplicaStatus | undefined;
  /** A worker requires Redis; the API does not. */
  needsRedis?: boolean;
}

/** Whether this process should receive requests. */
export class Readiness {
  #shuttingDown = false;

  constructor(private readonly parts: ReadinessParts) {}

  get shuttingDown(): boolean {
    return this.#shuttingDown;
  }

  /** Sets readiness to false permanently, at shutdown. */
  turnOff(): void {
    this.#shuttingDown = true;
  }

  report(): ReadinessReport {
    const { state, since, reason } = this.parts.database();
    const redis = this.parts.redis();
    const replica = this.parts.replica?.();
    const lacksRedis = this.parts.needsRedis === true && redis !== 'ready';
    const ready = state === 'ready' && !lacksRedis && !this.#shuttingDown;
    return {
      status: ready ? 'ready' : 'not ready',
      checks: {
        database: { status: state, since: since.toISOString(), ...(reason && { reason }) },
        ...(replica && { replica }),
        redis: { status: redis },
        shutdown: { status: this.#shuttingDown ? 'shutting down' : 'running' },
      },
    };
  }
}
