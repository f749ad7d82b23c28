import { DataSource, type EntityTarget } from 'typeorm';
import type { Logger } from '../logging/logger.js';
import { routedDriver } from './routed-connection.js';
import type { StatementRouter } from './statement-router.js';
import { typeOrmLogger } from './typeorm-logger.js';

/** TypeORM on the router. Not connected yet: the monitor does that when the database is there. */
export function createDataSource(
  router: StatementRouter,
  entities: EntityTarget<object>[],
  log: Logger,
): DataSource {
  return new DataSource({
    type: 'postgres',
    driver: routedDriver(router),
    entities: entities as never,
    installExtensions: false,
    logging: false,
    logger: typeOrmLogger(log),
  });
}
