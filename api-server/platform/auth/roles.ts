/** What an identity may do: a role, which includes the ones below it, and for API keys scopes, which narrow it. */
import { registerEnumType } from 'type-graphql';

export const Role = { VIEWER: 'VIEWER', OPERATOR: 'OPERATOR', ADMIN: 'ADMIN' } as const;
export type Role = (typeof Role)[keyof typeof Role];
registerEnumType(Role, {
  name: 'Role',
  description: 'Each includes the ones before it.',
  valuesConfig: {
    VIEWER: { description: 'Reads what runs where, and how delivery goes.' },
    OPERATOR: { description: 'Records deployments and incidents, and changes services and environments.' },
    ADMIN: { description: 'Manages users, API keys and webhooks, and reads the audit.' },
  },
});

export const Scope = {
  READ: 'READ',
  CATALOG: 'CATALOG',
  DEPLOYMENTS: 'DEPLOYMENTS',
  INCIDENTS: 'INCIDENTS',
  WEBHOOKS: 'WEBHOOKS',
  ADMIN: 'ADMIN',
} as const;
export type Scope = (typeof Scope)[keyof typeof Scope];
registerEnumType(Scope, {
  name: 'ApiKeyScope',
  description: 'What of its role an API key may use.',
  valuesConfig: {
    READ: { description: 'Queries and subscriptions.' },
    CATALOG: { description: 'Changes of services, environments and releases.' },
    DEPLOYMENTS: { description: 'Recording deployments.' },
    INCIDENTS: { description: 'Opening and resolving incidents.' },
    WEBHOOKS: { description: 'Reading and changing webhooks.' },
    ADMIN: { description: 'Users, API keys and the audit.' },
  },
});

const RANK: Record<Role, number> = { VIEWER: 1, OPERATOR: 2, ADMIN: 3 };

export function includesRole(role: Role, needed: Role): boolean {
  return RANK[role] >= RANK[needed];
}

/** A role out of a token or a database: undefined when it is none of ours. */
export function asRole(value: unknown): Role | undefined {
  return typeof value === 'string' && Object.hasOwn(RANK, value) ? (value as Role) : undefined;
}

/** The highest of our roles among those that somebody else's token names, in any case. */
export function highestRole(value: unknown): Role | undefined {
  const names = (Array.isArray(value) ? value : [value]).filter((name) => typeof name === 'string');
  const roles = names.flatMap((name) => asRole(name.toUpperCase()) ?? []);
  return roles.sort((a, b) => RANK[b] - RANK[a])[0];
}
