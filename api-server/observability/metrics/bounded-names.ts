/**
 * Bounds the cardinality of a label: clients choose operation names, and each name creates a
 * permanent time series. Names after the first `max` become `other`.
 */
export function boundedNames(max: number): (name: string | undefined) => string {
  const known = new Set<string>();
  return (name) => {
    if (!name) return 'anonymous';
    if (known.has(name)) return name;
    if (known.size >= max || name.length > 100) return 'other';
    known.add(name);
    return name;
  };
}
