/** Who is behind what a plan decided, as far as the API server noted it in managedFields. Pure. */
import { FIELD_MANAGER, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { Decision } from '../delivery/delivery-plan.js';
import type { Requests } from '../delivery/delivery-spec.js';
import { ADOPT_ANNOTATION, type Revision } from '../resources/revision.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import { type FieldPath, lastOtherManager } from '../runtime/managed-fields.js';
import type { Observed } from './observed.js';
import { REQUEST_ANNOTATIONS } from './strategies.js';

/**
 * The field manager that made the revision what it is, or that asked; the operator itself
 * where nobody did. Undefined when the API server did not note it.
 */
export function whoDecided({ api, revisions, delivery }: Observed, decision: Decision): string | undefined {
  const { target, position } = delivery;
  const { stable, update, failed } = position;
  const revision = revisions.get(decision.revision);
  const editor = (before: string | undefined, after = revision) =>
    editorOf(api, after, revisions.get(before ?? ''));
  switch (decision.type) {
    case 'Started':
      return failed?.revision === decision.revision ? askedBy(api, 'retry') : editor(update ?? stable);
    case 'Promoted':
      return editor(stable);
    case 'Aborted':
      return decision.reason === 'AbortRequested' ? askedBy(api, 'abort') : FIELD_MANAGER;
    case 'Cancelled':
    case 'Superseded':
      return editor(decision.revision, revisions.get(target));
    default:
      return FIELD_MANAGER;
  }
}

function askedBy({ metadata }: PcfApi, request: keyof Requests): string | undefined {
  return managerOf(metadata, [['f:metadata', 'f:annotations', `f:${REQUEST_ANNOTATIONS[request]}`]]);
}

/** Who set what is different in the newer one. Of a change of a Secret nobody has told us. */
function editorOf(
  { metadata }: PcfApi,
  revision: Revision | undefined,
  before: Revision | undefined,
): string | undefined {
  if (!revision) return undefined;
  const changed = changedPaths(before?.inputs ?? {}, revision.inputs ?? {}, ['f:spec']);
  if (changed.length > 0) return managerOf(metadata, changed);
  if (before?.secrets && revision.secrets && before.secrets !== revision.secrets) return FIELD_MANAGER;
  return managerOf(metadata, [ADOPTED]);
}

/** It makes a revision too, of the same inputs. */
const ADOPTED: FieldPath = ['f:metadata', 'f:annotations', `f:${ADOPT_ANNOTATION}`];

function managerOf({ managedFields }: PcfApi['metadata'], paths: FieldPath[]): string | undefined {
  return managedFields?.length ? lastOtherManager(managedFields, FIELD_MANAGER, paths) : undefined;
}

/** A list is one field: who owns an item of it is not told apart. */
function changedPaths(before: object, after: object, path: FieldPath): FieldPath[] {
  const [old, fresh] = [before, after] as [Record<string, unknown>, Record<string, unknown>];
  return [...new Set([...Object.keys(old), ...Object.keys(fresh)])].flatMap((name): FieldPath[] => {
    const [was, is] = [old[name], fresh[name]];
    const here = [...path, `f:${name}`];
    if (canonicalJson(was) === canonicalJson(is)) return [];
    return isObject(was) && isObject(is) ? changedPaths(was, is, here) : [here];
  });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
