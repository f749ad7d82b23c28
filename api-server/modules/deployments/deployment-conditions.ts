import { between, type Condition, oneOf } from '../../database/conditions.js';
import type { Deployment } from './deployment.entity.js';
import type { DeploymentFilter } from './deployment.inputs.js';

export function deploymentConditions(filter: DeploymentFilter | null | undefined): Condition<Deployment>[] {
  if (!filter) return [];
  return [
    ...oneOf<Deployment>('status', filter.status),
    ...oneOf<Deployment>('strategy', filter.strategy),
    ...oneOf<Deployment>('version', filter.version),
    ...between<Deployment>('startedAt', { from: filter.startedFrom, to: filter.startedTo }),
    ...between<Deployment>('finishedAt', { from: filter.finishedFrom, to: filter.finishedTo }),
  ];
}
