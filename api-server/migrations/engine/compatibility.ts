/** Compatibility of a version of the API with the migrations that are applied to a database. */

export interface VersionBounds {
  name: string;
  requires?: string | null;
  until?: string | null;
}

/** The reason why `version` is incompatible with these migrations, or undefined. */
export function incompatibilityOf(version: string, applied: readonly VersionBounds[]): string | undefined {
  for (const { name, requires, until } of applied) {
    if (requires && isOlder(version, requires)) {
      return `the database is ahead: ${name} was applied, which needs version ${requires} or newer; this image is ${version}`;
    }
    if (until && isOlder(until, version)) {
      return `the database is behind: ${name} was applied, which supports versions up to ${until}; this image is ${version}`;
    }
  }
  return undefined;
}

/** Compares major, minor and patch. A pre-release is equal to its release. */
export function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split(/[.-]/).slice(0, 3).map(Number));
  for (const index of [0, 1, 2]) {
    const difference = (a?.[index] ?? 0) - (b?.[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
