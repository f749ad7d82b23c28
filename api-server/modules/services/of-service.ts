import { type Condition, equals } from '../../platform/database/conditions.js';
import { uuidOf } from '../../platform/graphql/relay/global-id.js';

/** The filter that an argument `serviceId` stands for, of what belongs to a service; none when it is left out. */
export function ofService<T extends { serviceId: string }>(id: string | null | undefined): Condition<T>[] {
  return id == null ? [] : equals<T>('serviceId', uuidOf('Service', id, 'serviceId'));
}
