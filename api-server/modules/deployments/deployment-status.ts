import { registerEnumType } from 'type-graphql';

export const DeploymentStatus = {
  IN_PROGRESS: 'IN_PROGRESS',
  SUCCEEDED: 'SUCCEEDED',
  FAILED: 'FAILED',
  ROLLED_BACK: 'ROLLED_BACK',
} as const;
export type DeploymentStatus = (typeof DeploymentStatus)[keyof typeof DeploymentStatus];

/** What a deployment can end as. */
export const DeploymentOutcome = {
  SUCCEEDED: 'SUCCEEDED',
  FAILED: 'FAILED',
  ROLLED_BACK: 'ROLLED_BACK',
} as const;
export type DeploymentOutcome = (typeof DeploymentOutcome)[keyof typeof DeploymentOutcome];

registerEnumType(DeploymentStatus, { name: 'DeploymentStatus' });
registerEnumType(DeploymentOutcome, { name: 'DeploymentOutcome', description: 'How a deployment ended.' });

export const DeploymentStrategy = {
  CANARY: 'CANARY',
  BLUE_GREEN: 'BLUE_GREEN',
  ROLLING_UPDATE: 'ROLLING_UPDATE',
  RECREATE: 'RECREATE',
} as const;
export type DeploymentStrategy = (typeof DeploymentStrategy)[keyof typeof DeploymentStrategy];

registerEnumType(DeploymentStrategy, {
  name: 'DeploymentStrategy',
  description: 'How a version takes the place of another.',
});
