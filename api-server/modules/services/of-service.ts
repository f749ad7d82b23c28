import { type Condition, equals } from '../../platform/database/conditions.js';
import { uuidOf } from '../../platform/graphql/relay/global-id.js';

/** Condition for the argument `serviceId`; empty when the argument is omitted. */
export function ofService<T extends { serviceId: string }>(id: string | null | undefined): Condition<T>[] {
  return id == null ? [] : equals<T>('serviceId', uuidOf('Service', id, 'serviceId'));
}
