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
import type { KeyedRead, SharedRow } from '../routing/shared-reads.js';
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
   * Runs SQL directly on the router, for statements that repositories cannot express, and for the
   * hot paths. CPU time per call, compared with a repository: one row 0.19 ms instead of 0.57 ms, a
   * page of 100 rows with five columns 1.2 ms instead of 3.0 ms.
   */
  async runSql<Row extends object>(access: Access, sql: string, values?: unknown[]): Promise<Row[]> {
    const { rows } = await this.router.run(access, sql, values);
    return rows as Row[];
  }

  /** Like `runSql`, for a read. Concurrent requests share it, so the rows must not be modified. */
  async readRows<Row extends object>(
    access: Access,
    sql: string,
    values: unknown[],
  ): Promise<readonly Row[]> {
    return (await this.router.readRows(access, sql, values)) as unknown as readonly Row[];
  }

  /** At least the rows of these keys. Concurrent requests share them, so they must not be modified. */
  readByKey(read: KeyedRead, keys: readonly string[]): Promise<ReadonlyMap<unknown, SharedRow>> {
    return this.router.readByKey(read, keys);
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
