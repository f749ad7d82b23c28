/** The field manager that caused a decision of a plan, according to managedFields. Pure. */
import { APPROVAL_FIELD_MANAGER, FIELD_MANAGER, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { Decision } from '../delivery/delivery-plan.js';
import type { Requests } from '../delivery/delivery-spec.js';
import { ADOPT_ANNOTATION, type Revision } from '../resources/revision.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import { type FieldPath, lastOtherManager } from '../runtime/managed-fields.js';
import type { Observed } from './observed.js';
import { REQUEST_ANNOTATIONS } from './strategies.js';

/**
 * The field manager that changed the spec or set the request; the operator itself if it decided without one.
 * Undefined if the API server did not record the manager.
 */
export function decidingManager(
  { api, revisions, delivery }: Observed,
  decision: Decision,
): string | undefined {
  const { target, position } = delivery;
  const { stable, update, failed } = position;
  const revision = revisions.get(decision.revision);
  const editor = (before: string | undefined, after = revision) =>
    editingManager(api, after, revisions.get(before ?? ''));
  switch (decision.type) {
    case 'Started':
      return failed?.revision === decision.revision
        ? requestingManager(api, 'retry')
        : editor(update ?? stable);
    case 'Promoted':
      return editor(stable);
    case 'Aborted':
      return decision.reason === 'AbortRequested' ? abortingManager(api) : FIELD_MANAGER;
    case 'Cancelled':
    case 'Superseded':
      return editor(decision.revision, revisions.get(target));
    default:
      return FIELD_MANAGER;
  }
}

/** An abort with an approval link has the name of its user, as far as known. */
function abortingManager(api: PcfApi): string | undefined {
  const manager = requestingManager(api, 'abort');
  return manager === APPROVAL_FIELD_MANAGER
    ? (api.metadata.annotations?.[REQUEST_ANNOTATIONS.decidedBy] ?? manager)
    : manager;
}

function requestingManager(api: PcfApi, request: keyof Requests): string | undefined {
  return annotationManager(api, REQUEST_ANNOTATIONS[request]);
}

/** The field manager that set an annotation; undefined if the API server did not record it. */
export function annotationManager({ metadata }: PcfApi, annotation: string): string | undefined {
  return managerOf(metadata, [['f:metadata', 'f:annotations', `f:${annotation}`]]);
}

/** The manager of the fields that differ from the earlier revision. The manager of a Secret is unknown. */
function editingManager(
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

/** The adoption of a newer template makes a revision with the same inputs. */
const ADOPTED: FieldPath = ['f:metadata', 'f:annotations', `f:${ADOPT_ANNOTATION}`];

function managerOf({ managedFields }: PcfApi['metadata'], paths: FieldPath[]): string | undefined {
  return managedFields?.length ? lastOtherManager(managedFields, FIELD_MANAGER, paths) : undefined;
}

/** A list counts as one field: managers of its items are not distinguished. */
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
