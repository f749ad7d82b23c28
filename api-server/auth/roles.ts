/** Permissions of an identity: a role, which includes the lower roles, and for API keys scopes, which restrict the role. */
import { registerEnumType } from 'type-graphql';
import { asciiUpperCase } from '../../contract/ascii.js';

export const Role = { VIEWER: 'VIEWER', OPERATOR: 'OPERATOR', ADMIN: 'ADMIN' } as const;
export type Role = (typeof Role)[keyof typeof Role];
registerEnumType(Role, {
  name: 'Role',
  description: 'Permissions of a user or API key: ADMIN includes OPERATOR, and OPERATOR includes VIEWER.',
  valuesConfig: {
    VIEWER: {
      description: 'Reads services, environments, releases, deployments, incidents and delivery metrics.',
    },
    OPERATOR: {
      description:
        'Records deployments and incidents, changes services and environments, and reads webhooks.',
    },
    ADMIN: { description: 'Manages users, API keys and webhooks, and reads the audit log.' },
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
  description: 'Part of the permissions of a role. An API key with scopes has only these permissions.',
  valuesConfig: {
    READ: {
      description:
        'Read services, environments, releases, deployments, incidents and delivery metrics, and subscribe to events.',
    },
    CATALOG: { description: 'Create and update services, environments and releases.' },
    DEPLOYMENTS: { description: 'Record, update and finish deployments.' },
    INCIDENTS: { description: 'Open, update and resolve incidents.' },
    WEBHOOKS: { description: 'Read and manage webhooks.' },
    ADMIN: { description: 'Read and manage users and API keys, and read the audit log.' },
  },
});

const RANK: Record<Role, number> = { VIEWER: 1, OPERATOR: 2, ADMIN: 3 };

export function includesRole(role: Role, needed: Role): boolean {
  return RANK[role] >= RANK[needed];
}

/** Parses the role of a token or database row; undefined when it is not a role of this API. */
export function asRole(value: unknown): Role | undefined {
  return typeof value === 'string' && Object.hasOwn(RANK, value) ? (value as Role) : undefined;
}

/** The highest role of this API among the roles in an external token; ASCII letters in any case. */
export function highestRole(value: unknown): Role | undefined {
  const names = (Array.isArray(value) ? value : [value]).filter((name) => typeof name === 'string');
  const roles = names.flatMap((name) => asRole(asciiUpperCase(name)) ?? []);
  return roles.sort((a, b) => RANK[b] - RANK[a])[0];
}
