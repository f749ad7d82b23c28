import { DataSource, type EntityTarget, QueryFailedError, type QueryRunner } from 'typeorm';
import type { Logger } from '../../observability/logging/logger.js';
import { routedDriver } from '../routing/routed-connection.js';
import type { StatementRouter } from '../routing/statement-router.js';
import { typeOrmLogger } from './typeorm-logger.js';

/**
 * Passes raw statements directly to the router. Creating a TypeORM query runner per statement takes
 * a large part of the time of a short statement.
 */
class RoutedDataSource extends DataSource {
  constructor(
    private readonly router: StatementRouter,
    options: ConstructorParameters<typeof DataSource>[0],
  ) {
    super(options);
  }

  // biome-ignore lint/suspicious/noExplicitAny: TypeORM's own signature
  override async query<T = any>(sql: string, parameters?: any[], runner?: QueryRunner): Promise<T> {
    if (runner || !this.isInitialized) return super.query<T>(sql, parameters as never, runner);
    try {
      const { rows, command, rowCount } = await this.router.run(sql, parameters);
      return (command === 'UPDATE' || command === 'DELETE' ? [rows, rowCount] : rows) as T;
    } catch (error) {
      throw error instanceof Error && 'severity' in error
        ? new QueryFailedError(sql, parameters, error)
        : error;
    }
  }
}

/** A TypeORM data source on the router. The monitor connects it when the database is available. */
export function createDataSource(
  router: StatementRouter,
  entities: EntityTarget<object>[],
  log: Logger,
): DataSource {
  return new RoutedDataSource(router, {
    type: 'postgres',
    driver: routedDriver(router),
    entities: entities as never,
    installExtensions: false,
    logging: false,
    logger: typeOrmLogger(log),
  });
}
