/** Removes empty objects and lists down to a depth. An empty value of a setting has a meaning. */
export function withoutEmpty(value: unknown, depth = Number.POSITIVE_INFINITY): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.length > 0 ? value : undefined;
  const entries = Object.entries(value)
    .map(([key, item]) => [key, depth > 0 ? withoutEmpty(item, depth - 1) : item] as const)
    .filter(([, item]) => item !== undefined);
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}
