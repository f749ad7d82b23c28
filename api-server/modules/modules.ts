/** The domain, put together: entities, resolvers, and what each request gets. */
import type { GraphQLSchema } from 'graphql';
import { buildSchema } from 'type-graphql';
import type { DataSource } from 'typeorm';
import { type NodeFinders, NodeResolver } from '../platform/graphql/relay/node-resolver.js';
import { validateInput } from '../platform/graphql/validate-input.js';
import { Deployment } from './deployments/deployment.entity.js';
import { createDeploymentsLoader } from './deployments/deployment.loader.js';
import { DeploymentResolver, ServiceDeploymentsResolver } from './deployments/deployment.resolver.js';
import { DeploymentService } from './deployments/deployment.service.js';
import { Service } from './services/service.entity.js';
import { createServiceLoader } from './services/service.loader.js';
import { ServiceResolver } from './services/service.resolver.js';
import { ServiceService } from './services/service.service.js';

export const ENTITIES = [Service, Deployment];

/** What every resolver gets; made anew for each request, so that loaders never serve another's data. */
export type GraphqlContext = ReturnType<Modules['context']>;

export interface Modules {
  schema: GraphQLSchema;
  context: () => {
    loaders: {
      service: ReturnType<typeof createServiceLoader>;
      deploymentsOfService: ReturnType<typeof createDeploymentsLoader>;
    };
  };
}

export async function createModules(dataSource: DataSource): Promise<Modules> {
  const services = new ServiceService(dataSource);
  const deployments = new DeploymentService(dataSource);
  const finders: NodeFinders = {
    Service: (uuid) => services.findById(uuid),
    Deployment: (uuid) => deployments.findById(uuid),
  };
  const resolvers = new Map<unknown, object>([
    [NodeResolver, new NodeResolver(finders)],
    [ServiceResolver, new ServiceResolver(services)],
    [DeploymentResolver, new DeploymentResolver(deployments)],
    [ServiceDeploymentsResolver, new ServiceDeploymentsResolver()],
  ]);
  const schema = await buildSchema({
    resolvers: [NodeResolver, ServiceResolver, DeploymentResolver, ServiceDeploymentsResolver],
    container: { get: (someClass) => resolvers.get(someClass) },
    orphanedTypes: [Service, Deployment],
    validateFn: validateInput,
  });
  const context = () => ({
    loaders: {
      service: createServiceLoader(services),
      deploymentsOfService: createDeploymentsLoader(dataSource),
    },
  });
  return { schema, context };
}
