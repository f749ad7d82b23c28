import { z } from 'zod';
import { badUserInput } from '../errors.js';

const uuid = z.guid();

export interface GlobalId {
  type: string;
  uuid: string;
}

/** An id that is unique over all types: what `node(id)` takes. Opaque to clients. */
export function toGlobalId(type: string, uuid: string): string {
  return Buffer.from(`${type}:${uuid}`).toString('base64url');
}

/** Reads an id a client sent; `field` is the argument to name when it is not one. */
export function fromGlobalId(id: string, field: string): GlobalId {
  const [type = '', value = '', ...rest] = Buffer.from(id, 'base64url').toString('utf8').split(':');
  const isId = /^[A-Z]\w{0,60}$/.test(type) && rest.length === 0 && uuid.safeParse(value).success;
  // Decoding passes over what is no base64, so that one thing would have many ids.
  if (!isId || value !== value.toLowerCase() || toGlobalId(type, value) !== id) {
    throw badUserInput({ field, message: 'is not an id of this API' });
  }
  return { type, uuid: value };
}

/** The uuid of an id that must be of one type. */
export function uuidOf(type: string, id: string, field: string): string {
  const globalId = fromGlobalId(id, field);
  if (globalId.type === type) return globalId.uuid;
  throw badUserInput({ field, message: `is the id of a ${globalId.type}, expected a ${type}` });
}
