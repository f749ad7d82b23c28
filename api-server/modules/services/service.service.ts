import { randomUUID } from 'node:crypto';
import { type DataSource, In, type Repository } from 'typeorm';
import { sqlState } from '../../platform/database/connection-errors.js';
import { conflict } from '../../platform/graphql/errors.js';
import { type Page, toPage } from '../../platform/graphql/relay/connection.js';
import { keysetSql } from '../../platform/graphql/relay/keyset.js';
import type { PageRequest } from '../../platform/graphql/relay/paging.js';
import { Service, servicesByName } from './service.entity.js';
import type { CreateServiceInput } from './service.inputs.js';

const UNIQUE_VIOLATION = '23505';

/** Services in the database. */
export class ServiceService {
  constructor(private readonly dataSource: DataSource) {}

  private get services(): Repository<Service> {
    return this.dataSource.getRepository(Service);
  }

  /** Throws CONFLICT when the name is taken. */
  async create({ name, description, owner, repository }: CreateServiceInput): Promise<Service> {
    const uuid = randomUUID();
    const values = { uuid, name, description, owner, repository };
    try {
      await this.services.insert(values);
    } catch (error) {
      if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
      throw conflict(`a service named ${name} exists already`, 'input.name');
    }
    return this.services.findOneByOrFail({ uuid });
  }

  findById(uuid: string): Promise<Service | null> {
    return this.services.findOneBy({ uuid });
  }

  findByName(name: string): Promise<Service | null> {
    return this.services.findOneBy({ name });
  }

  findByIds(uuids: readonly string[]): Promise<Service[]> {
    return this.services.findBy({ uuid: In([...uuids]) });
  }

  /** By name. */
  async page(request: PageRequest): Promise<Page<Service>> {
    const sql = keysetSql(servicesByName, request, (property) => `service.${property}`);
    const query = this.services.createQueryBuilder('service').limit(request.limit + 1);
    for (const condition of sql.where) query.andWhere(condition, sql.params);
    for (const column of sql.orderBy) query.addOrderBy(column, sql.direction);
    return toPage(servicesByName, request, await query.getMany(), () => this.services.count());
  }
}
