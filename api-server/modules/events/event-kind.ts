import { registerEnumType } from 'type-graphql';

/** What happens in the domain, for subscribers and webhooks. */
export const DomainEventKind = {
  DEPLOYMENT_RECORDED: 'DEPLOYMENT_RECORDED',
  DEPLOYMENT_UPDATED: 'DEPLOYMENT_UPDATED',
  DEPLOYMENT_FINISHED: 'DEPLOYMENT_FINISHED',
  INCIDENT_OPENED: 'INCIDENT_OPENED',
  INCIDENT_UPDATED: 'INCIDENT_UPDATED',
  INCIDENT_RESOLVED: 'INCIDENT_RESOLVED',
} as const;
export type DomainEventKind = (typeof DomainEventKind)[keyof typeof DomainEventKind];

registerEnumType(DomainEventKind, { name: 'DomainEventKind', description: 'What happened.' });
