import { registerEnumType } from 'type-graphql';

/** Domain events, which subscriptions and webhooks receive. */
export const DomainEventKind = {
  DEPLOYMENT_RECORDED: 'DEPLOYMENT_RECORDED',
  DEPLOYMENT_UPDATED: 'DEPLOYMENT_UPDATED',
  DEPLOYMENT_FINISHED: 'DEPLOYMENT_FINISHED',
  INCIDENT_OPENED: 'INCIDENT_OPENED',
  INCIDENT_UPDATED: 'INCIDENT_UPDATED',
  INCIDENT_RESOLVED: 'INCIDENT_RESOLVED',
} as const;
export type DomainEventKind = (typeof DomainEventKind)[keyof typeof DomainEventKind];

registerEnumType(DomainEventKind, {
  name: 'DomainEventKind',
  description: 'Kind of an event.',
  valuesConfig: {
    DEPLOYMENT_RECORDED: { description: 'A deployment started.' },
    DEPLOYMENT_UPDATED: { description: 'The weight or the reason of a deployment changed.' },
    DEPLOYMENT_FINISHED: { description: 'A deployment finished.' },
    INCIDENT_OPENED: { description: 'An incident was opened.' },
    INCIDENT_UPDATED: { description: 'An incident was updated.' },
    INCIDENT_RESOLVED: { description: 'An incident was resolved.' },
  },
});
