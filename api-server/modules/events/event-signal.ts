/** Tells the other processes that there is something new. A signal may be lost: they look by themselves, too. */
import type { DataSource } from 'typeorm';
import type { WatchConnection } from '../../platform/database/watch-connection.js';
import type { Logger } from '../../platform/logging/logger.js';
import { type RedisClient, redisState } from '../../platform/redis/redis.js';

export interface EventSignal {
  /** Must not throw and not take time. */
  send(): void;
  /** Calls `wake` at each signal. */
  listen(wake: () => void): Promise<Listening>;
}

export interface Listening {
  /** Whether signals arrive at the moment; if not, who waits must look often. */
  readonly isWell: boolean;
  /** Whether it must be listened again. */
  readonly isOver: boolean;
  stop(): Promise<void>;
}

const CHANNEL = 'pcf:events';
const PG_CHANNEL = 'pcf_events';

/**
 * One signal at a time: however many events there are while one is on its way, one more is
 * enough for all of them.
 */
class Coalesced {
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
      .catch((error: unknown) => this.log.debug({ err: error }, 'a signal was not sent'))
      .finally(() => {
        this.#sending = false;
        if (this.#again) this.send();
      });
  }
}

/** Needs a connection of its own to listen, which commands can't use. */
export class RedisSignal implements EventSignal {
  readonly #signals: Coalesced;

  constructor(
    commands: RedisClient,
    private readonly openListener: () => RedisClient,
    log: Logger,
  ) {
    this.#signals = new Coalesced(() => commands.publish(CHANNEL, ''), log);
  }

  send(): void {
    this.#signals.send();
  }

  async listen(wake: () => void): Promise<Listening> {
    const listener = this.openListener();
    listener.on('message', wake);
    // It waits for Redis, which may be away; after a loss ioredis subscribes again by itself.
    void listener.subscribe(CHANNEL).then(wake, () => undefined);
    return {
      get isWell() {
        return redisState(listener) === 'ready';
      },
      isOver: false,
      stop: async () => listener.disconnect(),
    };
  }
}

/** Without Redis: LISTEN and NOTIFY, on a connection that is open only while somebody listens. */
export class PostgresSignal implements EventSignal {
  readonly #signals: Coalesced;

  constructor(
    dataSource: DataSource,
    private readonly open: () => Promise<WatchConnection>,
    log: Logger,
  ) {
    this.#signals = new Coalesced(() => dataSource.query(`SELECT pg_notify('${PG_CHANNEL}', '')`), log);
  }

  send(): void {
    this.#signals.send();
  }

  async listen(wake: () => void): Promise<Listening> {
    const connection = await this.open();
    let isOver = false;
    void connection.lost.then(() => {
      isOver = true;
      wake();
    });
    connection.onNotification(wake);
    await connection.query(`LISTEN ${PG_CHANNEL}`);
    return {
      get isWell() {
        return !isOver;
      },
      get isOver() {
        return isOver;
      },
      stop: () => connection.close(),
    };
  }
}

/** There is nobody else to be told. */
export const ONE_PROCESS: EventSignal = {
  send: () => undefined,
  listen: async () => ({ isWell: true, isOver: false, stop: async () => undefined }),
};
