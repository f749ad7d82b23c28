import type { GraphQLSchema } from 'graphql';
import { buildSchemaSync, type PubSub } from 'type-graphql';
import { NodeResolver } from '../platform/graphql/relay/node-resolver.js';
import { validateInput } from '../platform/graphql/validate-input.js';
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
import { SearchResolver } from './search/search.resolver.js';
import { ServiceResolver } from './services/service.resolver.js';
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
  DeploymentChangedResolver,
  IncidentChangedResolver,
] as const;

/** type-graphql wants one; each of our subscriptions has a source of its own. */
const UNUSED: PubSub = {
  publish: () => undefined,
  subscribe: () => {
    throw new Error('a subscription lacks its source');
  },
};

/** The schema; `instances` holds those resolvers that need something, by their classes. */
export function createSchema(instances: ReadonlyMap<unknown, object>): GraphQLSchema {
  const made = new Map(instances);
  const get = (resolver: new () => object): object => {
    const instance = made.get(resolver) ?? new resolver();
    made.set(resolver, instance);
    return instance;
  };
  return buildSchemaSync({
    resolvers: RESOLVERS,
    container: { get: get as never },
    validateFn: validateInput,
    pubSub: UNUSED,
  });
}
