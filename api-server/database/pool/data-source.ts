/** TypeORM's data source, for statements that declare their access. */
import {
  type EntityManager,
  type EntityTarget,
  type QueryRunner,
  DataSource as TypeOrmDataSource,
} from 'typeorm';
import type { Logger } from '../../observability/logging/logger.js';
import type { Access } from '../access.js';
import { type RoutedConnection, routedDriver } from '../routing/routed-connection.js';
import type { StatementRunner } from '../routing/statement-router.js';
import { typeOrmLogger } from './typeorm-logger.js';

/** Access of the statements by which TypeORM reads the properties of the server. */
const INITIALIZATION: Access = { mode: 'write', tables: [] };

export class DataSource extends TypeOrmDataSource {
  constructor(
    private readonly router: StatementRunner,
    entities: EntityTarget<object>[],
    log: Logger,
  ) {
    super({
      type: 'postgres',
      driver: routedDriver(router, () => this.#undeclared()),
      entities: entities as never,
      installExtensions: false,
      logging: false,
      logger: typeOrmLogger(log),
    });
  }

  /**
   * Runs SQL directly on the router. Creating a TypeORM query runner per statement takes a large
   * part of the time of a short statement.
   */
  async runSql<Row extends object>(access: Access, sql: string, values?: unknown[]): Promise<Row[]> {
    const { rows } = await this.router.run(access, sql, values);
    return rows as Row[];
  }

  /** Runs `work` with an entity manager, for repositories, query builders and transactions. */
  async withManager<T>(access: Access, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    const runner = this.createQueryRunner();
    try {
      const connection: RoutedConnection = await runner.connect();
      connection.access = () => access;
      return await work(runner.manager);
    } finally {
      await runner.release();
    }
  }

  /** The types allow no call, because it declares no access. TypeORM's entity managers call it. */
  override query<T>(sql: never, parameters?: never, runner?: QueryRunner): Promise<T> {
    return super.query<T>(sql, parameters, runner);
  }

  #undeclared(): Access {
    if (!this.isInitialized) return INITIALIZATION;
    throw new Error('the statement declares no access; use runSql or withManager of the data source');
  }
}
