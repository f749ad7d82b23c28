import type { DataSource } from 'typeorm';
import { newApiKey } from '../../platform/auth/api-key.js';
import { insertRow } from '../../platform/database/rows.js';
import { badUserInput, notFound } from '../../platform/graphql/errors.js';
import { uuidOf } from '../../platform/graphql/relay/global-id.js';
import { type ApiKey, apiKeyType } from './api-key.entity.js';
import type { ApiKeyWithSecret, CreateApiKeyInput, RevokeApiKeyInput } from './api-key.inputs.js';

const { table } = apiKeyType;

/** Makes API keys and takes them back. */
export class ApiKeyService {
  constructor(private readonly dataSource: DataSource) {}

  async create(
    { name, role, scopes, expiresAt }: CreateApiKeyInput,
    createdBy: string,
  ): Promise<ApiKeyWithSecret> {
    if (expiresAt && expiresAt.getTime() <= Date.now()) {
      throw badUserInput({ field: 'input.expiresAt', message: 'must be in the future' });
    }
    const { key, prefix, secretHash } = newApiKey();
    const values = {
      uuid: crypto.randomUUID(),
      name,
      prefix,
      secretHash,
      role,
      scopes,
      createdBy,
      expiresAt,
    };
    return { apiKey: await insertRow(this.dataSource, table, values), key };
  }

  /** Since when it is revoked does not change when it is said again. */
  async revoke({ id }: RevokeApiKeyInput): Promise<ApiKey> {
    const [row]: object[] = await this.dataSource.query(
      `WITH changed AS (
         UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()), updated_at = now() WHERE id = $1 RETURNING *
       ) SELECT ${table.selectList(table.properties, 'changed')} FROM changed`,
      [uuidOf('ApiKey', id, 'input.id')],
    );
    if (!row) throw notFound('there is no such API key', 'input.id');
    return table.hydrate(row);
  }
}
