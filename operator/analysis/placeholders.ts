/** Replaces placeholders of queries. */
import type { Subject } from './analysis-model.js';

type Names = Pick<Subject, 'namespace' | 'name' | 'revision' | 'stableRevision'>;

/**
 * Replaces the placeholders. Values are escaped for all kinds of quoted strings in PromQL. Throws for an
 * unknown placeholder, and for {{stableRevision}} without a stable revision.
 */
export function substitute(query: string, names: Names): string {
  const values: Record<string, string | undefined> = {
    namespace: names.namespace,
    name: names.name,
    revision: names.revision,
    stableRevision: names.stableRevision,
  };
  return query.replaceAll(/\{\{(.*?)\}\}/gs, (whole, inner: string) => {
    const value = Object.hasOwn(values, inner) ? values[inner] : undefined;
    if (value !== undefined) return escaped(value);
    if (inner === 'stableRevision')
      throw new Error('the query contains {{stableRevision}}, but there is no stable revision yet');
    throw new Error(
      `the query contains the unknown placeholder ${whole}; known are ${Object.keys(values)
        .map((it) => `{{${it}}}`)
        .join(', ')}`,
    );
  });
}

/** A string literal of PromQL. */
export function quoted(value: string): string {
  return `"${escaped(value)}"`;
}

function escaped(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replaceAll(/["'`]/g, (quote) => `\\x${quote.charCodeAt(0).toString(16)}`)
    .replaceAll('\n', '\\n');
}
