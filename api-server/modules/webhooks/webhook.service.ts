import { randomBytes } from 'node:crypto';
import { makeChange } from '../../database/change.js';
import { Bindings } from '../../database/conditions.js';
import { FOREIGN_KEY_VIOLATION, sqlState } from '../../database/pool/connection-errors.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { changeRows, insertRow, updateRow } from '../../database/rows.js';
import { badUserInput, notFound } from '../../errors.js';
import { uuidOf } from '../../graphql/relay/global-id.js';
import { refusePrivateHost } from '../../http/private-addresses.js';
import { blockedPortOf } from './blocked-ports.js';
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
/** Time for the operators of the endpoint to configure the new secret, even over a non-working day. */
const SECRET_OVERLAP = '48 hours';

export interface WebhookRules {
  /** Allows plain HTTP and private IP addresses. Only for development. */
  allowPrivate: boolean;
}

/** Creates, updates and deletes webhooks. `changeAndAnnounce` writes their messages. */
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
    const webhook = await insertRow(this.dataSource, table, values).catch(rejectUnknownService);
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
    return requireWebhook(await change.catch(rejectUnknownService));
  }

  /** The foreign key deletes the messages, too. */
  async delete({ id }: DeleteWebhookInput): Promise<void> {
    const bindings = new Bindings();
    const uuid = bindings.bind(uuidOf('Webhook', id, 'input.id'));
    const rows = await makeChange(this.dataSource, {
      type: table.entity.name,
      tables: [table.name, 'webhook_messages'],
      parts: [`changed AS (DELETE FROM webhooks WHERE id = ${uuid} RETURNING id)`],
      select: 'SELECT id FROM changed',
      bindings,
    });
    if (rows.length === 0) throw notFound('webhook not found', 'input.id');
  }

  /** Both secrets sign messages during the overlap, so that the endpoint rejects no message. */
  async rotateSecret({ id }: RotateWebhookSecretInput): Promise<WebhookWithSecret> {
    const secret = newSecret();
    const bindings = new Bindings();
    const { bind } = bindings;
    const sql = `UPDATE webhooks SET previous_secret = secret, previous_secret_expires = now() + interval '${SECRET_OVERLAP}',
        secret = ${bind(secret)}, updated_at = now()
      WHERE id = ${bind(uuidOf('Webhook', id, 'input.id'))}`;
    const [webhook] = await changeRows(this.dataSource, table, { sql, bindings });
    return { webhook: requireWebhook(webhook), secret };
  }

  /** `queued_at = '-infinity'` makes the relay queue the messages again, even if their jobs still exist. */
  async retryMessages({ webhookId, ids }: RetryWebhookMessagesInput): Promise<RetriedWebhookMessages> {
    const bindings = new Bindings();
    const { bind } = bindings;
    const uuid = bind(uuidOf('Webhook', webhookId, 'input.webhookId'));
    const messageIds = ids?.map((id, index) => uuidOf('WebhookMessage', id, `input.ids.${index}`));
    const onlyIds = messageIds ? ` AND id = ANY (CAST(${bind(messageIds)} AS uuid[]))` : '';
    const retried = `retried AS (
        UPDATE webhook_messages SET status = 'PENDING', queued_at = '-infinity'
        WHERE webhook_id = ${uuid} AND status = 'FAILED'${onlyIds} RETURNING 1
      )`;
    const [row] = await makeChange<{ count: number }>(this.dataSource, {
      type: table.entity.name,
      tables: [table.name, 'webhook_messages'],
      parts: [`webhook AS (SELECT * FROM webhooks WHERE id = ${uuid})`, retried],
      changed: 'webhook',
      select: `SELECT ${table.selectList(table.properties, 'webhook')}, (SELECT count(*)::int FROM retried) AS count
        FROM webhook`,
      bindings,
    });
    if (!row) throw notFound('webhook not found', 'input.webhookId');
    const { count, ...webhook } = row;
    return { webhook: table.hydrate(webhook), count };
  }

  /** Host names are resolved and checked when a message is sent, because DNS records can change. */
  #checkUrl(text: string): void {
    const url = new URL(text);
    const port = blockedPortOf(url);
    if (port)
      throw badUserInput({
        field: 'input.url',
        message: `must not have the port ${port}, which belongs to another protocol`,
      });
    if (this.rules.allowPrivate) return;
    const { protocol, hostname } = url;
    if (protocol !== 'https:') throw badUserInput({ field: 'input.url', message: 'must be an https URL' });
    try {
      refusePrivateHost(hostname);
    } catch (error) {
      throw badUserInput({ field: 'input.url', message: (error as Error).message });
    }
  }
}

/** Format of standardwebhooks.com, which the libraries of receivers expect. */
function newSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

function rejectUnknownService(error: unknown): never {
  if (sqlState(error) !== FOREIGN_KEY_VIOLATION) throw error;
  throw notFound('service not found', 'input.serviceId');
}

function requireWebhook(webhook: Webhook | undefined): Webhook {
  if (!webhook) throw notFound('webhook not found', 'input.id');
  return webhook;
}
