import type { DataSource } from '../database/pool/data-source.js';
import { ConnectionLoader } from '../graphql/relay/connection-loader.js';
import { EntityLoader } from '../graphql/relay/entity-loader.js';
import { apiKeyType } from './api-keys/api-key.entity.js';
import { auditEventType } from './audit/audit-event.entity.js';
import { deploymentType } from './deployments/deployment.entity.js';
import { environmentType } from './environments/environment.entity.js';
import { incidentType } from './incidents/incident.entity.js';
import { releaseType } from './releases/release.entity.js';
import { schemaUsageType } from './schema-usage/schema-usage.entity.js';
import { serviceType } from './services/service.entity.js';
import { userType } from './users/user.entity.js';
import { webhookType } from './webhooks/webhook.entity.js';
import { webhookMessageType } from './webhooks/webhook-message.entity.js';

/** Data loaders of one request. They are not shared, so that no request reads cached rows of another one. */
export function createLoaders(dataSource: DataSource) {
  return {
    service: new EntityLoader(dataSource, serviceType),
    serviceByName: new EntityLoader(dataSource, serviceType, 'name'),
    environment: new EntityLoader(dataSource, environmentType),
    environmentByName: new EntityLoader(dataSource, environmentType, 'name'),
    release: new EntityLoader(dataSource, releaseType),
    deployment: new EntityLoader(dataSource, deploymentType),
    incident: new EntityLoader(dataSource, incidentType),
    webhook: new EntityLoader(dataSource, webhookType),
    webhookMessage: new EntityLoader(dataSource, webhookMessageType),
    user: new EntityLoader(dataSource, userType),
    apiKey: new EntityLoader(dataSource, apiKeyType),
    auditEvent: new EntityLoader(dataSource, auditEventType),
    schemaUsage: new EntityLoader(dataSource, schemaUsageType),
    /** Connections of parent objects, by the type of their nodes. */
    releases: new ConnectionLoader(dataSource, releaseType),
    deployments: new ConnectionLoader(dataSource, deploymentType),
    incidents: new ConnectionLoader(dataSource, incidentType),
    webhookMessages: new ConnectionLoader(dataSource, webhookMessageType),
  };
}

export type Loaders = ReturnType<typeof createLoaders>;
