/**
 * Clients choose the names of their operations, and each makes a time series that
 * is kept for good: the first `max` names are kept, the others are `other`.
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
