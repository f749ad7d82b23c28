import { randomBytes } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { makeChange } from '../../platform/database/change.js';
import { Bindings } from '../../platform/database/conditions.js';
import { FOREIGN_KEY_VIOLATION, sqlState } from '../../platform/database/connection-errors.js';
import { changeRows, insertRow, updateRow } from '../../platform/database/rows.js';
import { badUserInput, notFound } from '../../platform/graphql/errors.js';
import { uuidOf } from '../../platform/graphql/relay/global-id.js';
import { refusePrivateHost } from '../../platform/webhooks/private-addresses.js';
import { type Webhook, webhookType } from './webhook.entity.js';
import type {
  CreateWebhookInput,
  DeleteWebhookInput,
  RetriedWebhookMessages,
  RetryWebhookMessagesInput,
  RotateWebhookSecretInput,
  UpdateWebhookInput,
  WebhookWithSecret,
} from './webhook.inputs.js';

const { table } = webhookType;
/** Long enough for a receiver to be given the new secret on a working day. */
const OVERLAP = '48 hours';

export interface WebhookRules {
  /** For development alone: plain HTTP, and addresses in private networks. */
  allowPrivate: boolean;
}

/** Changes of webhooks; what they are told is written with each event. */
export class WebhookService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly rules: WebhookRules,
  ) {}

  async create(input: CreateWebhookInput): Promise<WebhookWithSecret> {
    const { url, description, events, environment } = input;
    this.#checkUrl(url);
    const serviceId = input.serviceId == null ? null : uuidOf('Service', input.serviceId, 'input.serviceId');
    const secret = newSecret();
    const uuid = crypto.randomUUID();
    const values = { uuid, url, description, events, serviceId, environmentName: environment, secret };
    const webhook = await insertRow(this.dataSource, table, values).catch(noSuchService);
    return { webhook, secret };
  }

  async update(input: UpdateWebhookInput): Promise<Webhook> {
    const { id, url, description, events, serviceId, environment, enabled } = input;
    if (url != null) this.#checkUrl(url);
    const values = {
      url: url ?? undefined,
      description,
      events: events ?? undefined,
      serviceId: serviceId == null ? serviceId : uuidOf('Service', serviceId, 'input.serviceId'),
      environmentName: environment,
      enabled: enabled ?? undefined,
    };
    const change = updateRow(this.dataSource, table, uuidOf('Webhook', id, 'input.id'), values);
    return found(await change.catch(noSuchService));
  }

  /** Its messages go with it. */
  async delete({ id }: DeleteWebhookInput): Promise<void> {
    const bindings = new Bindings();
    const uuid = bindings.bind(uuidOf('Webhook', id, 'input.id'));
    const rows = await makeChange(this.dataSource, {
      type: table.entity.name,
      parts: [`changed AS (DELETE FROM webhooks WHERE id = ${uuid} RETURNING id)`],
      select: 'SELECT id FROM changed',
      bindings,
    });
    if (rows.length === 0) throw notFound('there is no such webhook', 'input.id');
  }

  /** Both secrets sign for a while, so that no message is refused meanwhile. */
  async rotateSecret({ id }: RotateWebhookSecretInput): Promise<WebhookWithSecret> {
    const secret = newSecret();
    const bindings = new Bindings();
    const { bind } = bindings;
    const sql = `UPDATE webhooks SET previous_secret = secret, previous_secret_expires = now() + interval '${OVERLAP}',
        secret = ${bind(secret)}, updated_at = now()
      WHERE id = ${bind(uuidOf('Webhook', id, 'input.id'))}`;
    const [webhook] = await changeRows(this.dataSource, table, { sql, bindings });
    return { webhook: found(webhook), secret };
  }

  /** As if they had been queued long ago: the relay then puts them in again, whatever became of their jobs. */
  async retryMessages({ webhookId, ids }: RetryWebhookMessagesInput): Promise<RetriedWebhookMessages> {
    const bindings = new Bindings();
    const { bind } = bindings;
    const uuid = bind(uuidOf('Webhook', webhookId, 'input.webhookId'));
    const wanted = ids?.map((id, index) => uuidOf('WebhookMessage', id, `input.ids.${index}`));
    const among = wanted ? ` AND id = ANY (CAST(${bind(wanted)} AS uuid[]))` : '';
    const retried = `retried AS (
        UPDATE webhook_messages SET status = 'PENDING', queued_at = '-infinity'
        WHERE webhook_id = ${uuid} AND status = 'FAILED'${among} RETURNING 1
      )`;
    const [row] = await makeChange<{ count: number }>(this.dataSource, {
      type: table.entity.name,
      parts: [`webhook AS (SELECT * FROM webhooks WHERE id = ${uuid})`, retried],
      changed: 'webhook',
      select: `SELECT ${table.selectList(table.properties, 'webhook')}, (SELECT count(*)::int FROM retried) AS count
        FROM webhook`,
      bindings,
    });
    if (!row) throw notFound('there is no such webhook', 'input.webhookId');
    const { count, ...webhook } = row;
    return { webhook: table.hydrate(webhook), count };
  }

  /** Names are checked when it is sent, for they may mean another address by then. */
  #checkUrl(text: string): void {
    if (this.rules.allowPrivate) return;
    const { protocol, hostname } = new URL(text);
    if (protocol !== 'https:') throw badUserInput({ field: 'input.url', message: 'must be an https URL' });
    try {
      refusePrivateHost(hostname);
    } catch (error) {
      throw badUserInput({ field: 'input.url', message: (error as Error).message });
    }
  }
}

/** In the form that the libraries of receivers take. */
function newSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

function noSuchService(error: unknown): never {
  if (sqlState(error) !== FOREIGN_KEY_VIOLATION) throw error;
  throw notFound('there is no such service', 'input.serviceId');
}

function found(webhook: Webhook | undefined): Webhook {
  if (!webhook) throw notFound('there is no such webhook', 'input.id');
  return webhook;
}
