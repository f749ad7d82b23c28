import { sqlState, UNIQUE_VIOLATION } from '../../database/pool/connection-errors.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { insertRow, setArchived, updateRow } from '../../database/rows.js';
import { conflict, notFound } from '../../errors.js';
import { uuidOf } from '../../graphql/relay/global-id.js';
import { type Environment, environmentType } from './environment.entity.js';
import type {
  ArchiveEnvironmentInput,
  CreateEnvironmentInput,
  UpdateEnvironmentInput,
} from './environment.inputs.js';

const { table } = environmentType;

/** Creates, updates and archives environments. */
export class EnvironmentService {
  constructor(private readonly dataSource: DataSource) {}

  /** Throws CONFLICT when the name exists. */
  async create({ name, description }: CreateEnvironmentInput): Promise<Environment> {
    const values = { uuid: crypto.randomUUID(), name, description };
    return insertRow(this.dataSource, table, values).catch((error: unknown) => {
      if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
      throw conflict(`an environment named ${name} already exists`, 'input.name');
    });
  }

  async update({ id, description }: UpdateEnvironmentInput): Promise<Environment> {
    return requireEnvironment(
      await updateRow(this.dataSource, table, uuidOf('Environment', id, 'input.id'), { description }),
    );
  }

  async archive({ id, archived }: ArchiveEnvironmentInput): Promise<Environment> {
    return requireEnvironment(
      await setArchived(this.dataSource, table, uuidOf('Environment', id, 'input.id'), archived),
    );
  }
}

function requireEnvironment(environment: Environment | undefined): Environment {
  if (!environment) throw notFound('environment not found', 'input.id');
  return environment;
}
