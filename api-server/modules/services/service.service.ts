import { sqlState, UNIQUE_VIOLATION } from '../../database/pool/connection-errors.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { insertRow, setArchived, updateRow } from '../../database/rows.js';
import { conflict, notFound } from '../../errors.js';
import { uuidOf } from '../../graphql/relay/global-id.js';
import { type Service, serviceType } from './service.entity.js';
import type { ArchiveServiceInput, CreateServiceInput, UpdateServiceInput } from './service.inputs.js';

const { table } = serviceType;

/** Creates, updates and archives services. */
export class ServiceService {
  constructor(private readonly dataSource: DataSource) {}

  /** Throws CONFLICT when the name exists. */
  async create({ name, description, owner, repository }: CreateServiceInput): Promise<Service> {
    const values = { uuid: crypto.randomUUID(), name, description, owner, repository };
    return insertRow(this.dataSource, table, values).catch((error: unknown) => {
      if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
      throw conflict(`a service named ${name} already exists`, 'input.name');
    });
  }

  async update({ id, description, owner, repository }: UpdateServiceInput): Promise<Service> {
    const uuid = uuidOf('Service', id, 'input.id');
    return requireService(await updateRow(this.dataSource, table, uuid, { description, owner, repository }));
  }

  async archive({ id, archived }: ArchiveServiceInput): Promise<Service> {
    return requireService(
      await setArchived(this.dataSource, table, uuidOf('Service', id, 'input.id'), archived),
    );
  }
}

function requireService(service: Service | undefined): Service {
  if (!service) throw notFound('service not found', 'input.id');
  return service;
}
