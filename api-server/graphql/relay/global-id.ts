import { badUserInput } from '../../errors.js';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface GlobalId {
  type: string;
  uuid: string;
}

/** Global ID: unique across all types, opaque to clients. */
export function toGlobalId(type: string, uuid: string): string {
  // btoa is three times as fast as Buffer. Letters, digits, ':' and '-' never produce the characters in
  // which base64url differs.
  const text = btoa(`${type}:${uuid}`);
  const padding = text.indexOf('=');
  return padding < 0 ? text : text.slice(0, padding);
}

/** Parses a global ID. `field` is the argument for the error. */
export function fromGlobalId(id: string, field: string): GlobalId {
  const [type = '', value = '', ...rest] = Buffer.from(id, 'base64url').toString('utf8').split(':');
  const isId = /^[A-Z]\w{0,60}$/.test(type) && rest.length === 0 && UUID.test(value);
  // Decoding ignores invalid characters, so one object would have several IDs without this check.
  if (!isId || toGlobalId(type, value) !== id) {
    throw badUserInput({ field, message: 'is not an ID of this API' });
  }
  return { type, uuid: value };
}

/** The UUID of a global ID of the given type. */
export function uuidOf(type: string, id: string, field: string): string {
  const globalId = fromGlobalId(id, field);
  if (globalId.type === type) return globalId.uuid;
  throw badUserInput({ field, message: `is the ID of a ${globalId.type}, expected the ID of a ${type}` });
}
