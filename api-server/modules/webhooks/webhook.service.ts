import { randomBytes } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { Bindings } from '../../platform/database/conditions.js';
import { FOREIGN_KEY_VIOLATION, sqlState } from '../../platform/database/connection-errors.js';
import { insertRow, updateRow } from '../../platform/database/rows.js';
import { badUserInput, notFound } from '../../platform/graphql/errors.js';
import { uuidOf } from '../../platform/graphql/relay/global-id.js';
import { refusePrivateHost } from '../../platform/webhooks/private-addresses.js';
import { type Webhook, webhookType } from './webhook.entity.js';
import type {
  CreateWebhookInput,
  DeleteWebhookInput,
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
    const webhook = await insertRow(this.dataSource, table, values).catch((error: unknown) => {
      if (sqlState(error) !== FOREIGN_KEY_VIOLATION) throw error;
      throw notFound('there is no such service', 'input.serviceId');
    });
    return { webhook, secret };
  }

  async update({ id, url, description, events, enabled }: UpdateWebhookInput): Promise<Webhook> {
    if (url != null) this.#checkUrl(url);
    const values = {
      url: url ?? undefined,
      description,
      events: events ?? undefined,
      enabled: enabled ?? undefined,
    };
    return found(await updateRow(this.dataSource, table, uuidOf('Webhook', id, 'input.id'), values));
  }

  /** Its messages go with it. */
  async delete({ id }: DeleteWebhookInput): Promise<void> {
    const sql = 'WITH deleted AS (DELETE FROM webhooks WHERE id = $1 RETURNING id) SELECT id FROM deleted';
    const rows: object[] = await this.dataSource.query(sql, [uuidOf('Webhook', id, 'input.id')]);
    if (rows.length === 0) throw notFound('there is no such webhook', 'input.id');
  }

  /** Both secrets sign for a while, so that no message is refused meanwhile. */
  async rotateSecret({ id }: RotateWebhookSecretInput): Promise<WebhookWithSecret> {
    const secret = newSecret();
    const { bind, values } = new Bindings();
    const sql = `WITH changed AS (
        UPDATE webhooks SET previous_secret = secret, previous_secret_expires = now() + interval '${OVERLAP}',
          secret = ${bind(secret)}, updated_at = now()
        WHERE id = ${bind(uuidOf('Webhook', id, 'input.id'))} RETURNING *
      ) SELECT ${table.selectList(table.properties, 'changed')} FROM changed`;
    const [row]: object[] = await this.dataSource.query(sql, values);
    return { webhook: found(row && table.hydrate(row)), secret };
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

function found(webhook: Webhook | undefined): Webhook {
  if (!webhook) throw notFound('there is no such webhook', 'input.id');
  return webhook;
}
