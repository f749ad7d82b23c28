import { DataSource, type EntityTarget } from 'typeorm';
import type { Settings } from '../../config/schema.js';
import type { Logger } from '../logging/logger.js';
import { typeOrmLogger } from './typeorm-logger.js';

/** What is known of the pool's connections. */
export interface PoolFigures {
  total: number;
  idle: number;
  /** Requests that wait for a free connection. */
  waiting: number;
}

/** The pool of the requests. Not connected yet: the monitor does that when the database is there. */
export function createDataSource(
  { database }: Settings,
  entities: EntityTarget<object>[],
  log: Logger,
): DataSource {
  return new DataSource({
    type: 'postgres',
    url: database.url,
    entities: entities as never,
    applicationName: 'pcf-api',
    poolSize: database.max_connections - 1, // one is the monitor's
    connectTimeoutMS: database.connect_timeout,
    installExtensions: false,
    logging: false,
    logger: typeOrmLogger(log),
    poolErrorHandler: (error: unknown) => log.warn({ err: error }, 'an idle database connection was lost'),
    extra: {
      keepAlive: true,
      statement_timeout: database.statement_timeout,
      // The server ends a statement that takes too long; this is for a server that is gone without a word.
      query_timeout: database.statement_timeout + 5_000,
      idle_in_transaction_session_timeout: 60_000,
    },
  });
}

export function poolFigures(dataSource: DataSource): PoolFigures {
  const { master } = dataSource.driver as unknown as {
    master?: { totalCount: number; idleCount: number; waitingCount: number };
  };
  return { total: master?.totalCount ?? 0, idle: master?.idleCount ?? 0, waiting: master?.waitingCount ?? 0 };
}
