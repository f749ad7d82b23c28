/** Notifies other processes about new events. Signals can be lost, so readers poll as well. */
import type { DataSource } from '../../database/pool/data-source.js';
import type { WatchConnection } from '../../database/pool/watch-connection.js';
import type { Logger } from '../../observability/logging/logger.js';
import { type RedisClient, redisState } from '../../redis/redis.js';

export interface EventSignal {
  /** Must not throw or block. */
  send(): void;
  /** Calls `onSignal` for each signal. */
  listen(onSignal: () => void): Promise<SignalListener>;
}

export interface SignalListener {
  /** Whether signals currently arrive. If not, readers must poll more often. */
  readonly isConnected: boolean;
  /** Whether the listener does not reconnect by itself, so that a new one is needed. */
  readonly isClosed: boolean;
  stop(): Promise<void>;
}

const CHANNEL = 'pcf:events';
const PG_CHANNEL = 'pcf_events';

/** Sends one signal at a time. Calls of `send` while a signal is pending cause one more signal. */
class SignalCoalescer {
  #sending = false;
  #again = false;

  constructor(
    private readonly sendOne: () => Promise<unknown>,
    private readonly log: Logger,
  ) {}

  send(): void {
    this.#again = this.#sending;
    if (this.#sending) return;
    this.#sending = true;
    this.sendOne()
      .catch((error: unknown) => this.log.debug({ err: error }, 'event signal not sent'))
      .finally(() => {
        this.#sending = false;
        if (this.#again) this.send();
      });
  }
}

/** Redis Pub/Sub. A subscribed connection cannot run commands, so the listener opens its own connection. */
export class RedisSignal implements EventSignal {
  readonly #signals: SignalCoalescer;

  constructor(
    commands: RedisClient,
    private readonly openListener: () => RedisClient,
    log: Logger,
  ) {
    this.#signals = new SignalCoalescer(() => commands.publish(CHANNEL, ''), log);
  }

  send(): void {
    this.#signals.send();
  }

  async listen(onSignal: () => void): Promise<SignalListener> {
    const listener = this.openListener();
    listener.on('message', onSignal);
    // Not awaited: Redis may be unavailable. ioredis subscribes again after a reconnect.
    void listener.subscribe(CHANNEL).then(onSignal, () => undefined);
    return {
      get isConnected() {
        return redisState(listener) === 'ready';
      },
      isClosed: false,
      stop: async () => listener.disconnect(),
    };
  }
}

/** PostgreSQL LISTEN and NOTIFY, for deployments without Redis. The connection is open only while there are listeners. */
export class PostgresSignal implements EventSignal {
  readonly #signals: SignalCoalescer;

  constructor(
    dataSource: DataSource,
    private readonly open: () => Promise<WatchConnection>,
    log: Logger,
  ) {
    this.#signals = new SignalCoalescer(
      () => dataSource.runSql({ mode: 'write', tables: [] }, `SELECT pg_notify('${PG_CHANNEL}', '')`),
      log,
    );
  }

  send(): void {
    this.#signals.send();
  }

  async listen(onSignal: () => void): Promise<SignalListener> {
    const connection = await this.open();
    let isClosed = false;
    void connection.lost.then(() => {
      isClosed = true;
      onSignal();
    });
    connection.onNotification(onSignal);
    await connection.query(`LISTEN ${PG_CHANNEL}`);
    return {
      get isConnected() {
        return !isClosed;
      },
      get isClosed() {
        return isClosed;
      },
      stop: () => connection.close(),
    };
  }
}

/** For a single process: there is no other process to notify. */
export const SINGLE_PROCESS: EventSignal = {
  send: () => undefined,
  listen: async () => ({ isConnected: true, isClosed: false, stop: async () => undefined }),
};
