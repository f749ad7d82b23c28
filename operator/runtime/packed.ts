/**
 * Objects with large parts that are rarely read. V8 needs three to five times the memory of their text, so the
 * text is stored, and parsed at each access.
 */
const TEXTS = Symbol('texts');

interface Packed {
  [TEXTS]: (string | undefined)[];
}

/** Prototypes with the getters of these fields. Shared, because a getter per object needs more memory than it saves. */
const prototypes = new Map<string, object>();

/**
 * A copy whose `fields` are stored as text. They are not own properties: neither `Object.keys` nor a spread has
 * them, but `JSON.stringify` does. A part must not be modified, because the next access parses it again.
 */
export function packed<T extends object>(object: T, fields: readonly (keyof T & string)[]): T {
  const result = Object.create(prototypeOf(fields)) as T & Packed;
  for (const [key, value] of Object.entries(object)) {
    if (!fields.includes(key as keyof T & string)) result[key as keyof T] = value as never;
  }
  // Not enumerable, so that comparisons and copies in tests do not contain it.
  Object.defineProperty(result, TEXTS, { value: fields.map((field) => JSON.stringify(object[field])) });
  return result;
}

function prototypeOf(fields: readonly string[]): object {
  const key = fields.join();
  const known = prototypes.get(key);
  if (known) return known;
  const getters = fields.map((field, index): [string, PropertyDescriptor] => [
    field,
    {
      get(this: Packed) {
        const text = this[TEXTS][index];
        return text === undefined ? undefined : (JSON.parse(text) as unknown);
      },
    },
  ]);
  const toJSON = {
    value(this: Packed & Record<string, unknown>) {
      return { ...this, ...Object.fromEntries(fields.map((field) => [field, this[field]])) };
    },
  };
  const prototype = Object.defineProperties({}, { ...Object.fromEntries(getters), toJSON });
  prototypes.set(key, prototype);
  return prototype;
}
