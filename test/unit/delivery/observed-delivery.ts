import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import type { Observation, RevisionView } from '../../../operator/delivery/observation.js';
import { plan } from '../../../operator/delivery/plan.js';
import { deliverySettings } from '../../support/cluster/delivery-settings.js';

export const HOUR = 3_600_000;
export const promotedAt = '2026-11-23T10:00:00.000Z';
export const soaked = Date.parse(promotedAt) + HOUR;
export const settings = deliverySettings({ contractDelayMs: HOUR });
export const knownMigrations = [
  { revision: 'old', migrations: [] },
  { revision: 'new', migrations: ['DropName1'] },
];
export const position = { stable: 'new', previous: 'old', promotedAt, knownMigrations };
export const contracted = {
  revision: 'new',
  number: 2,
  image: 'image:2',
  migrations: ['DropName1'],
  at: '2026-11-23T11:00:00.000Z',
  done: true,
};

export function revision(name: string, number: number, view: Partial<RevisionView> = {}): RevisionView {
  const pods = { replicas: 3, ready: 3, pods: 3 };
  const contract = { state: 'Absent', hook: 'Disabled', attempt: 1 } as const;
  return { name, number, image: `image:${number}`, ...pods, migration: 'Succeeded', contract, ...view };
}
export const scaledDown = { replicas: 0, ready: 0, pods: 0 };

export function observation(over: Partial<Observation> = {}): Observation {
  return {
    target: 'new',
    revisions: [revision('old', 1, scaledDown), revision('new', 2)],
    position,
    route: { weights: { new: 100 } },
    routeAgeMs: 60_000,
    startable: true,
    ...over,
  };
}

export const planFor = (over: Partial<Observation> = {}, now = soaked, changes: Partial<DeliverySpec> = {}) =>
  plan(observation(over), { ...settings, ...changes }, now);
