import { newApiKey } from '../../auth/api-key.js';
import { Bindings } from '../../database/conditions.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { assignments, changeRows, insertRow } from '../../database/rows.js';
import { badUserInput, conflict, notFound } from '../../errors.js';
import { uuidOf } from '../../graphql/relay/global-id.js';
import { ApiKey, apiKeyType } from './api-key.entity.js';
import type {
  ApiKeyWithSecret,
  CreateApiKeyInput,
  RevokeApiKeyInput,
  UpdateApiKeyInput,
} from './api-key.inputs.js';

const { table } = apiKeyType;

/** Creates, updates and revokes API keys. */
export class ApiKeyService {
  constructor(private readonly dataSource: DataSource) {}

  async create(
    { name, role, scopes, expiresAt }: CreateApiKeyInput,
    createdBy: string,
  ): Promise<ApiKeyWithSecret> {
    requireFuture(expiresAt);
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

  /** Throws CONFLICT when the key is revoked: revocation is permanent. */
  async update({ id, name, scopes, expiresAt }: UpdateApiKeyInput): Promise<ApiKey> {
    requireFuture(expiresAt);
    const uuid = uuidOf('ApiKey', id, 'input.id');
    const bindings = new Bindings();
    const set = assignments(table, { name: name ?? undefined, scopes, expiresAt }, bindings);
    const sql = `UPDATE api_keys AS t SET ${set} WHERE t.id = ${bindings.bind(uuid)} AND t.revoked_at IS NULL`;
    const [key] = await changeRows(this.dataSource, table, { sql, bindings });
    if (key) return key;
    const isKnown = await this.dataSource.withManager({ mode: 'read', tables: ['api_keys'] }, (manager) =>
      manager.existsBy(ApiKey, { uuid }),
    );
    if (!isKnown) throw notFound('API key not found', 'input.id');
    throw conflict('the API key is revoked', 'input.id');
  }

  /** Idempotent: a second call keeps the time of the first revocation. */
  async revoke({ id }: RevokeApiKeyInput): Promise<ApiKey> {
    const bindings = new Bindings();
    const sql = `UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()), updated_at = now()
      WHERE id = ${bindings.bind(uuidOf('ApiKey', id, 'input.id'))}`;
    const [key] = await changeRows(this.dataSource, table, { sql, bindings });
    if (!key) throw notFound('API key not found', 'input.id');
    return key;
  }
}

function requireFuture(expiresAt: Date | null | undefined): void {
  if (!expiresAt || expiresAt.getTime() > Date.now()) return;
  throw badUserInput({ field: 'input.expiresAt', message: 'must be in the future' });
}
