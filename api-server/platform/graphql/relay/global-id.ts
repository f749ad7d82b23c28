import { badUserInput } from '../errors.js';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface GlobalId {
  type: string;
  uuid: string;
}

/** An id that is unique over all types: what `node(id)` takes. Opaque to clients. */
export function toGlobalId(type: string, uuid: string): string {
  // Three times as fast as a Buffer; letters, digits, ':' and '-' need none of the characters in which base64url differs.
  const text = btoa(`${type}:${uuid}`);
  const padding = text.indexOf('=');
  return padding < 0 ? text : text.slice(0, padding);
}

/** Reads an id a client sent; `field` is the argument to name when it is not one. */
export function fromGlobalId(id: string, field: string): GlobalId {
  const [type = '', value = '', ...rest] = Buffer.from(id, 'base64url').toString('utf8').split(':');
  const isId = /^[A-Z]\w{0,60}$/.test(type) && rest.length === 0 && UUID.test(value);
  // Decoding passes over what is no base64, so that one thing would have many ids.
  if (!isId || toGlobalId(type, value) !== id) {
    throw badUserInput({ field, message: 'is not an ID of this API' });
  }
  return { type, uuid: value };
}

/** The uuid of an id that must be of one type. */
export function uuidOf(type: string, id: string, field: string): string {
  const globalId = fromGlobalId(id, field);
  if (globalId.type === type) return globalId.uuid;
  throw badUserInput({ field, message: `is the ID of a ${globalId.type}, expected the ID of a ${type}` });
}
