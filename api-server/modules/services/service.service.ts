import type { DataSource } from 'typeorm';
import { sqlState, UNIQUE_VIOLATION } from '../../platform/database/connection-errors.js';
import { insertRow, setArchived, updateRow } from '../../platform/database/rows.js';
import { conflict, notFound } from '../../platform/graphql/errors.js';
import { uuidOf } from '../../platform/graphql/relay/global-id.js';
import { type Service, serviceType } from './service.entity.js';
import type { ArchiveServiceInput, CreateServiceInput, UpdateServiceInput } from './service.inputs.js';

const { table } = serviceType;

/** Changes of services. */
export class ServiceService {
  constructor(private readonly dataSource: DataSource) {}

  /** Throws CONFLICT when the name is taken. */
  async create({ name, description, owner, repository }: CreateServiceInput): Promise<Service> {
    const values = { uuid: crypto.randomUUID(), name, description, owner, repository };
    return insertRow(this.dataSource, table, values).catch((error: unknown) => {
      if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
      throw conflict(`a service named ${name} exists already`, 'input.name');
    });
  }

  async update({ id, description, owner, repository }: UpdateServiceInput): Promise<Service> {
    const uuid = uuidOf('Service', id, 'input.id');
    return found(await updateRow(this.dataSource, table, uuid, { description, owner, repository }));
  }

  async archive({ id, archived }: ArchiveServiceInput): Promise<Service> {
    return found(await setArchived(this.dataSource, table, uuidOf('Service', id, 'input.id'), archived));
  }
}

function found(service: Service | undefined): Service {
  if (!service) throw notFound('there is no such service', 'input.id');
  return service;
}
