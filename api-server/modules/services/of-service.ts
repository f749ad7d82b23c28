import { type Condition, equals } from '../../database/conditions.js';
import { uuidOf } from '../../graphql/relay/global-id.js';

/** Condition for the argument `serviceId`; empty when the argument is omitted. */
export function ofService<T extends { serviceId: string }>(id: string | null | undefined): Condition<T>[] {
  return id == null ? [] : equals<T>('serviceId', uuidOf('Service', id, 'serviceId'));
}
