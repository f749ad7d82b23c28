import type { DataSource } from 'typeorm';
import { sqlState, UNIQUE_VIOLATION } from '../../platform/database/connection-errors.js';
import { insertRow, setArchived, updateRow } from '../../platform/database/rows.js';
import { conflict, notFound } from '../../platform/graphql/errors.js';
import { uuidOf } from '../../platform/graphql/relay/global-id.js';
import { type Environment, environmentType } from './environment.entity.js';
import type {
  ArchiveEnvironmentInput,
  CreateEnvironmentInput,
  UpdateEnvironmentInput,
} from './environment.inputs.js';

const { table } = environmentType;

/** Changes of environments. */
export class EnvironmentService {
  constructor(private readonly dataSource: DataSource) {}

  /** Throws CONFLICT when the name is taken. */
  async create({ name, description }: CreateEnvironmentInput): Promise<Environment> {
    const values = { uuid: crypto.randomUUID(), name, description };
    return insertRow(this.dataSource, table, values).catch((error: unknown) => {
      if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
      throw conflict(`an environment named ${name} exists already`, 'input.name');
    });
  }

  async update({ id, description }: UpdateEnvironmentInput): Promise<Environment> {
    return found(
      await updateRow(this.dataSource, table, uuidOf('Environment', id, 'input.id'), { description }),
    );
  }

  async archive({ id, archived }: ArchiveEnvironmentInput): Promise<Environment> {
    return found(await setArchived(this.dataSource, table, uuidOf('Environment', id, 'input.id'), archived));
  }
}

function found(environment: Environment | undefined): Environment {
  if (!environment) throw notFound('there is no such environment', 'input.id');
  return environment;
}
