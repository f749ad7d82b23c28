/** Composition root of the domain: entities, schema, and the context of each request. */
import type { IncomingHttpHeaders } from 'node:http';
import type { GraphQLSchema } from 'graphql';
import { pino } from 'pino';
import type { Identity } from '../auth/identity.js';
import type { DataSource } from '../database/pool/data-source.js';
import type { Logger } from '../observability/logging/logger.js';
import { ApiKey } from './api-keys/api-key.entity.js';
import { ApiKeyResolver } from './api-keys/api-key.resolver.js';
import { ApiKeyService } from './api-keys/api-key.service.js';
import { AuditResolver } from './audit/audit.resolver.js';
import { AuditEvent } from './audit/audit-event.entity.js';
import { AuditLog, auditStatement } from './audit/audit-log.js';
import { createContext, type GraphqlContext } from './context.js';
import { DeliveryMetricsResolver } from './delivery-metrics/delivery-metrics.resolver.js';
import { Deployment } from './deployments/deployment.entity.js';
import { DeploymentResolver } from './deployments/deployment.resolver.js';
import { DeploymentService } from './deployments/deployment.service.js';
import { Environment } from './environments/environment.entity.js';
import { EnvironmentResolver } from './environments/environment.resolver.js';
import { EnvironmentService } from './environments/environment.service.js';
import { EventFeed } from './events/event-feed.js';
import { EventLog } from './events/event-log.js';
import { type EventSignal, SINGLE_PROCESS } from './events/event-signal.js';
import { Incident } from './incidents/incident.entity.js';
import { IncidentResolver } from './incidents/incident.resolver.js';
import { IncidentService } from './incidents/incident.service.js';
import { Release } from './releases/release.entity.js';
import { ReleaseResolver } from './releases/release.resolver.js';
import { ReleaseService } from './releases/release.service.js';
import { createSchema } from './schema.js';
import { SchemaUsage } from './schema-usage/schema-usage.entity.js';
import { SchemaUsageResolver } from './schema-usage/schema-usage.resolver.js';
import { SearchResolver } from './search/search.resolver.js';
import { Service } from './services/service.entity.js';
import { ServiceResolver } from './services/service.resolver.js';
import { ServiceService } from './services/service.service.js';
import { User } from './users/user.entity.js';
import { UserResolver } from './users/user.resolver.js';
import { UserService } from './users/user.service.js';
import { Webhook } from './webhooks/webhook.entity.js';
import { WebhookResolver } from './webhooks/webhook.resolver.js';
import { WebhookService } from './webhooks/webhook.service.js';
import { WebhookMessage } from './webhooks/webhook-message.entity.js';

export const ENTITIES = [
  ...[Service, Environment, Release, Deployment, Incident, Webhook, WebhookMessage],
  ...[User, ApiKey, AuditEvent, SchemaUsage],
];

export type { GraphqlContext } from './context.js';

export interface ModuleOptions {
  /** Notifies other processes about new events. The default is for a single process. */
  signal?: EventSignal;
  webhooks?: { allowPrivate: boolean };
  log?: Logger;
}

export interface Modules {
  schema: GraphQLSchema;
  context: (identity: Identity, headers?: IncomingHttpHeaders) => GraphqlContext;
  /** Source of the subscriptions. Close it on shutdown. */
  feed: EventFeed;
}

export async function createModules(dataSource: DataSource, options: ModuleOptions = {}): Promise<Modules> {
  const { signal = SINGLE_PROCESS, webhooks = { allowPrivate: false } } = options;
  const log = new EventLog(dataSource);
  const logger = options.log ?? pino({ level: 'silent' });
  const feed = new EventFeed({ log, signal, logger });
  const instances = new Map<unknown, object>([
    [ServiceResolver, new ServiceResolver(dataSource, new ServiceService(dataSource))],
    [EnvironmentResolver, new EnvironmentResolver(dataSource, new EnvironmentService(dataSource))],
    [ReleaseResolver, new ReleaseResolver(dataSource, new ReleaseService(dataSource))],
    [
      DeploymentResolver,
      new DeploymentResolver(dataSource, new DeploymentService(dataSource, feed.announce)),
    ],
    [IncidentResolver, new IncidentResolver(dataSource, new IncidentService(dataSource, feed.announce))],
    [WebhookResolver, new WebhookResolver(dataSource, new WebhookService(dataSource, webhooks))],
    [DeliveryMetricsResolver, new DeliveryMetricsResolver(dataSource)],
    [SearchResolver, new SearchResolver(dataSource)],
    [UserResolver, new UserResolver(dataSource, new UserService(dataSource))],
    [ApiKeyResolver, new ApiKeyResolver(dataSource, new ApiKeyService(dataSource))],
    [AuditResolver, new AuditResolver(dataSource)],
    [SchemaUsageResolver, new SchemaUsageResolver(dataSource)],
  ]);
  const schema = createSchema(instances, new AuditLog(dataSource, logger).record, auditStatement);
  const events = { log, feed };
  const context: Modules['context'] = (identity, headers) =>
    createContext(dataSource, events, identity, headers);
  return { schema, context, feed };
}
