/** Kubernetes objects of the input files. */
import { CliError } from '../output.js';
import type { InputObject } from './source.js';

/**
 * Checks YAML documents and returns their objects; the items of a List are objects of their own. Throws a
 * {@link CliError} for a document that is no Kubernetes object.
 */
export function toObjects(file: string, documents: readonly unknown[]): InputObject[] {
  return documents.flatMap((document) => {
    const items = (document as { kind?: unknown; items?: unknown }).items;
    if (/List$/.test(String((document as { kind?: unknown }).kind)) && Array.isArray(items))
      return toObjects(file, items);
    return [checked(file, document)];
  });
}

function checked(file: string, document: unknown): InputObject {
  const { apiVersion, kind, metadata } = document as Partial<InputObject>;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string')
    throw new CliError(`${file}: a document has no apiVersion and kind: it is no Kubernetes object`);
  if (typeof metadata?.name !== 'string') throw new CliError(`${file}: ${kind} has no metadata.name`);
  return document as InputObject;
}
