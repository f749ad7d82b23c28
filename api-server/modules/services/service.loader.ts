import DataLoader from 'dataloader';
import { observedBatch } from '../../platform/metrics/batch-observer.js';
import type { Service } from './service.entity.js';
import type { ServiceService } from './service.service.js';

export type ServiceLoader = DataLoader<string, Service | null>;

/** Services by uuid: one query for all that a request asks for at the same depth. */
export function createServiceLoader(services: ServiceService): ServiceLoader {
  const load = async (uuids: readonly string[]) => {
    const byId = new Map((await services.findByIds(uuids)).map((service) => [service.uuid, service]));
    return uuids.map((uuid) => byId.get(uuid) ?? null);
  };
  return new DataLoader(observedBatch('service', load));
}
