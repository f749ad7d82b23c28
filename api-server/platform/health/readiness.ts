import type { ReplicaStatus } from '../database/database.js';
import type { DatabaseStatus } from '../database/database-monitor.js';
import type { RedisState } from '../redis/redis.js';

export interface ReadinessReport {
  status: 'ready' | 'not ready';
  checks: {
    database: { status: DatabaseStatus['state']; since: string; reason?: string };
    /** Told, but not needed: without it all reads go to the primary. */
    replica?: ReplicaStatus;
    /** Told, but not needed: the API is ready without Redis. */
    redis: { status: RedisState };
    shutdown: { status: 'running' | 'shutting down' };
  };
}

/** Whether this process should get requests. */
export class Readiness {
  #shuttingDown = false;

  constructor(
    private readonly database: () => DatabaseStatus,
    private readonly redis: () => RedisState,
    private readonly replica: () => ReplicaStatus | undefined = () => undefined,
  ) {}

  get shuttingDown(): boolean {
    return this.#shuttingDown;
  }

  /** From now on not ready, whatever else is. There is no way back. */
  turnOff(): void {
    this.#shuttingDown = true;
  }

  report(): ReadinessReport {
    const { state, since, reason } = this.database();
    const replica = this.replica();
    const ready = state === 'ready' && !this.#shuttingDown;
    return {
      status: ready ? 'ready' : 'not ready',
      checks: {
        database: { status: state, since: since.toISOString(), ...(reason && { reason }) },
        ...(replica && { replica }),
        redis: { status: this.redis() },
        shutdown: { status: this.#shuttingDown ? 'shutting down' : 'running' },
      },
    };
  }
}
