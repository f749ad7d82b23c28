import type { IncomingHttpHeaders } from 'node:http';
import type { Identity } from '../auth/identity.js';
import type { DataSource } from '../database/pool/data-source.js';
import type { NodeFinders } from '../graphql/relay/node-resolver.js';
import { type UsageClient, usageClient } from '../graphql/usage/usage-client.js';
import type { EventFeed } from './events/event-feed.js';
import type { EventLog } from './events/event-log.js';
import { createLoaders, type Loaders } from './loaders.js';

/** Context of the resolvers; one per request. */
export interface GraphqlContext {
  readonly identity: Identity;
  /** The client that uses of the schema are recorded for. */
  readonly usageClient: UsageClient;
  readonly loaders: Loaders;
  readonly nodeFinders: NodeFinders;
  /** Source of the subscriptions. */
  readonly events: { log: EventLog; feed: EventFeed };
  /** Drops the cached rows. A subscription calls it for each event; otherwise it would return stale rows. */
  refresh(): void;
}

/** A plain object, not a class instance: GraphQL servers copy contexts, and a copy loses the prototype. */
export function createContext(
  dataSource: DataSource,
  events: GraphqlContext['events'],
  identity: Identity,
  headers: IncomingHttpHeaders = {},
): GraphqlContext {
  let loaders: Loaders | undefined;
  const current = (): Loaders => {
    loaders ??= createLoaders(dataSource);
    return loaders;
  };
  return {
    identity,
    usageClient: usageClient(identity, headers),
    get loaders() {
      return current();
    },
    nodeFinders: {
      Service: (uuid) => current().service.load(uuid),
      Environment: (uuid) => current().environment.load(uuid),
      Release: (uuid) => current().release.load(uuid),
      Deployment: (uuid) => current().deployment.load(uuid),
      Incident: (uuid) => current().incident.load(uuid),
      Webhook: (uuid) => current().webhook.load(uuid),
      WebhookMessage: (uuid) => current().webhookMessage.load(uuid),
      User: (uuid) => current().user.load(uuid),
      ApiKey: (uuid) => current().apiKey.load(uuid),
      AuditEvent: (uuid) => current().auditEvent.load(uuid),
      SchemaUsage: (uuid) => current().schemaUsage.load(uuid),
    },
    events,
    refresh() {
      loaders = undefined;
    },
  };
}
