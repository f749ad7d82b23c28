import { registerEnumType } from 'type-graphql';

export const DeploymentStatus = {
  IN_PROGRESS: 'IN_PROGRESS',
  SUCCEEDED: 'SUCCEEDED',
  FAILED: 'FAILED',
  ROLLED_BACK: 'ROLLED_BACK',
} as const;
export type DeploymentStatus = (typeof DeploymentStatus)[keyof typeof DeploymentStatus];

export const DeploymentOutcome = {
  SUCCEEDED: 'SUCCEEDED',
  FAILED: 'FAILED',
  ROLLED_BACK: 'ROLLED_BACK',
} as const;
export type DeploymentOutcome = (typeof DeploymentOutcome)[keyof typeof DeploymentOutcome];

export function isFailure(outcome: DeploymentOutcome): boolean {
  return outcome !== DeploymentOutcome.SUCCEEDED;
}

const OUTCOMES = {
  SUCCEEDED: { description: 'The deployment succeeded.' },
  FAILED: { description: 'The deployment failed.' },
  ROLLED_BACK: { description: 'The deployment was rolled back to the previous version.' },
};
registerEnumType(DeploymentStatus, {
  name: 'DeploymentStatus',
  description: 'Status of a deployment.',
  valuesConfig: { IN_PROGRESS: { description: 'The deployment is not finished.' }, ...OUTCOMES },
});
registerEnumType(DeploymentOutcome, {
  name: 'DeploymentOutcome',
  description: 'Outcome of a finished deployment.',
  valuesConfig: OUTCOMES,
});

export const DeploymentStrategy = {
  CANARY: 'CANARY',
  BLUE_GREEN: 'BLUE_GREEN',
  ROLLING_UPDATE: 'ROLLING_UPDATE',
  RECREATE: 'RECREATE',
} as const;
export type DeploymentStrategy = (typeof DeploymentStrategy)[keyof typeof DeploymentStrategy];

registerEnumType(DeploymentStrategy, {
  name: 'DeploymentStrategy',
  description: 'Strategy by which a deployment replaces the previous version.',
  valuesConfig: {
    CANARY: { description: 'Traffic shifts to the new version in steps.' },
    BLUE_GREEN: { description: 'All traffic switches to the new version at once, while both versions run.' },
    ROLLING_UPDATE: { description: 'Pods of the old version are replaced in batches.' },
    RECREATE: { description: 'The old version stops before the new version starts.' },
  },
});
