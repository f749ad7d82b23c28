import type { GraphQLSchema } from 'graphql';
import { buildSchemaSync, type PubSub } from 'type-graphql';
import { enforceAccess } from '../graphql/access.js';
import { type AuditRecorder, type AuditStatement, auditMutations } from '../graphql/audit.js';
import { NodeResolver } from '../graphql/relay/node-resolver.js';
import { validateInput } from '../graphql/validate-input.js';
import { ApiKeyResolver } from './api-keys/api-key.resolver.js';
import { AuditResolver } from './audit/audit.resolver.js';
import { DeliveryMetricsResolver } from './delivery-metrics/delivery-metrics.resolver.js';
import { DeploymentResolver } from './deployments/deployment.resolver.js';
import {
  EnvironmentDeploymentsResolver,
  ReleaseDeploymentsResolver,
  ServiceDeploymentsResolver,
} from './deployments/deployment-lists.js';
import { EnvironmentResolver } from './environments/environment.resolver.js';
import { DeploymentChangedResolver, IncidentChangedResolver } from './events/changed.resolver.js';
import { IncidentResolver } from './incidents/incident.resolver.js';
import {
  DeploymentIncidentsResolver,
  EnvironmentIncidentsResolver,
  ServiceIncidentsResolver,
} from './incidents/incident-lists.js';
import { ReleaseResolver, ServiceReleasesResolver } from './releases/release.resolver.js';
import { SchemaUsageResolver } from './schema-usage/schema-usage.resolver.js';
import { SearchResolver } from './search/search.resolver.js';
import { ServiceResolver } from './services/service.resolver.js';
import { MeResolver } from './users/me.resolver.js';
import { UserResolver } from './users/user.resolver.js';
import { WebhookResolver } from './webhooks/webhook.resolver.js';

const RESOLVERS = [
  NodeResolver,
  ServiceResolver,
  EnvironmentResolver,
  ReleaseResolver,
  ServiceReleasesResolver,
  DeploymentResolver,
  ServiceDeploymentsResolver,
  EnvironmentDeploymentsResolver,
  ReleaseDeploymentsResolver,
  IncidentResolver,
  ServiceIncidentsResolver,
  EnvironmentIncidentsResolver,
  DeploymentIncidentsResolver,
  WebhookResolver,
  DeliveryMetricsResolver,
  SearchResolver,
  MeResolver,
  UserResolver,
  ApiKeyResolver,
  AuditResolver,
  SchemaUsageResolver,
  DeploymentChangedResolver,
  IncidentChangedResolver,
] as const;

/** type-graphql requires a PubSub as soon as there are subscriptions. Ours define their own sources with `subscribe`. */
const UNUSED: PubSub = {
  publish: () => undefined,
  subscribe: () => {
    throw new Error('the subscription defines no source');
  },
};

/** type-graphql has no option for the descriptions of the root types. */
function describeRootTypes(schema: GraphQLSchema): void {
  schema.getQueryType()!.description = 'Entry point of queries.';
  schema.getMutationType()!.description =
    'Entry point of mutations. Each mutation is recorded in the audit log.';
  schema.getSubscriptionType()!.description = 'Entry point of subscriptions.';
}

/**
 * The schema, with access rules and the audit log applied. `instances` has the resolvers with
 * dependencies, by class.
 */
export function createSchema(
  instances: ReadonlyMap<unknown, object>,
  record: AuditRecorder,
  inStatement?: AuditStatement,
): GraphQLSchema {
  const created = new Map(instances);
  const get = (resolver: new () => object): object => {
    const instance = created.get(resolver) ?? new resolver();
    created.set(resolver, instance);
    return instance;
  };
  const schema = buildSchemaSync({
    resolvers: RESOLVERS,
    container: { get: get as never },
    validateFn: validateInput,
    pubSub: UNUSED,
    // It would run the introspection query, a tenth of the start-up time. Apollo asserts the same: a valid schema.
    skipCheck: true,
  });
  describeRootTypes(schema);
  enforceAccess(schema);
  auditMutations(schema, record, inStatement);
  return schema;
}
